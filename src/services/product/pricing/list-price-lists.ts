import type { priceOperations } from '#contracts/http/product-prices.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { type PriceListRow, toPriceList } from './price-list.ts'

type Operation = typeof priceOperations.listPriceLists

/** Lists price lists, oldest first. */
export function listPriceLists({ database, cursors }: Reading, { query }: Input<Operation>): Promise<Output<Operation>> {
  const { code = null, status = null, channel = null, customerGroup = null } = query
  return page(
    cursors,
    'listPriceLists',
    query,
    async (after, limit) => {
      const rows = await database.query<PriceListRow>(
        `select * from price_lists where ($1::uuid is null or price_list_id > $1) and ($3::text is null or code = $3)
           and ($4::text is null or status = $4) and ($5::text is null or channel = $5) and ($6::text is null or customer_group = $6)
         order by price_list_id limit $2`,
        [after?.[0] ?? null, limit, code, status, channel, customerGroup]
      )
      return rows.map(toPriceList)
    },
    list => [list.priceListId]
  )
}
