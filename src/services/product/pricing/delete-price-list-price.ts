import type { priceOperations } from '#contracts/http/product-prices.ts'
import { Problem } from '#contracts/problems.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import type { Input } from '#platform/http/handlers.ts'
import { announceAll } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { beginReview } from './begin-review.ts'
import { type ListedPriceRow, listedPriceColumns, toListedPrice } from './listed-price.ts'
import { lockPriceList } from './price-list.ts'

/** Takes a price out of a list, and tells those who pay another one thereby. */
export async function deletePriceListPrice(
  tx: Transaction,
  { params: { priceListId, priceId }, actor }: Input<typeof priceOperations.deletePriceListPrice>
): Promise<undefined> {
  await lockPriceList(tx, priceListId)
  const [found] = await tx.query<ListedPriceRow>(
    `select ${listedPriceColumns} from listed_prices where price_list_id = $1 and price_id = $2 and removed_at is null`,
    [priceListId, priceId]
  )
  if (!found) throw new Problem('not-found', 'There is no such price')
  keepBefore(tx, toListedPrice(found))
  const review = await beginReview(tx, [found.variant_id], actor.subject)
  await tx.query(
    `update listed_prices set removed_at = greatest(set_at, $3::timestamptz), removed_by = $4
     where price_list_id = $1 and price_id = $2 and removed_at is null`,
    [priceListId, priceId, review.at, actor.subject]
  )
  announceAll(tx, await review.end())
}
