import type { priceOperations } from '#contracts/http/product-prices.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { beginListChange, closePeriod, lockPriceList, reviewSoon } from './price-list.ts'

/** Deletes a price list. What its prices were stays known, so that what was paid can be told. */
export async function deletePriceList(
  tx: Transaction,
  { params: { priceListId }, expected, actor }: Input<typeof priceOperations.deletePriceList>
): Promise<undefined> {
  const list = await lockPriceList(tx, priceListId)
  keepBefore(tx, list)
  checkVersion(expected, list.version)
  const at = await beginListChange(tx, priceListId)
  if (list.status === 'active') closePeriod(tx, priceListId, { at, actor: actor.subject })
  reviewSoon(tx, priceListId)
  await tx.query('delete from price_lists where price_list_id = $1', [priceListId])
}
