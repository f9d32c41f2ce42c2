import type { priceOperations } from '#contracts/http/product-prices.ts'
import type { PriceList } from '#contracts/resources/price-list.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { readPriceList } from './price-list.ts'

export function getPriceList({ database }: Reading, { params }: Input<typeof priceOperations.getPriceList>): Promise<PriceList> {
  return readPriceList(database, params.priceListId)
}
