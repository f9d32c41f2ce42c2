import type { priceOperations } from '#contracts/http/product-prices.ts'
import { Problem } from '#contracts/problems.ts'
import type { PriceList } from '#contracts/resources/price-list.ts'
import type { Input, Reading } from '#platform/handlers.ts'
import { type PriceListRow, toPriceList } from './price-list.ts'

export async function getPriceList(
  { database }: Reading,
  { params }: Input<typeof priceOperations.getPriceList>
): Promise<PriceList> {
  const [row] = await database.query<PriceListRow>('select * from price_lists where price_list_id = $1', [params.priceListId])
  if (!row) throw new Problem('not-found', 'There is no such price list')
  return toPriceList(row)
}
