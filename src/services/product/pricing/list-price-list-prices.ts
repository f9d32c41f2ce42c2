import type { priceOperations } from '#contracts/http/product-prices.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { type ListedPriceRow, listedPriceColumns, toListedPrice } from './listed-price.ts'
import { readPriceList } from './price-list.ts'

type Operation = typeof priceOperations.listPriceListPrices

/** Lists the prices of a list, oldest first; those of variants that are gone are left out. */
export async function listPriceListPrices(
  { database, cursors }: Reading,
  { params: { priceListId }, query }: Input<Operation>
): Promise<Output<Operation>> {
  await readPriceList(database, priceListId)
  return page(
    cursors,
    `listPriceListPrices ${priceListId}`,
    query,
    async (after, limit) => {
      const rows = await database.query<ListedPriceRow>(
        `select ${listedPriceColumns} from listed_prices p
         where price_list_id = $1 and removed_at is null and ($2::uuid is null or price_id > $2) and ($4::uuid is null or variant_id = $4)
           and exists (select from variants v where v.variant_id = p.variant_id)
         order by price_id limit $3`,
        [priceListId, after?.[0] ?? null, limit, query.variantId ?? null]
      )
      return rows.map(toListedPrice)
    },
    price => [price.priceId]
  )
}
