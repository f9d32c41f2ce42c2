import type { priceOperations } from '#contracts/http/product-prices.ts'
import { Problem } from '#contracts/problems.ts'
import type { PriceList } from '#contracts/resources/price-list.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import { checkVersion } from '#platform/http/etag.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { violated } from '#platform/postgres/database-errors.ts'
import {
  beginListChange,
  closePeriod,
  lockPriceList,
  openPeriod,
  type PriceListRow,
  reviewSoon,
  toPriceList
} from './price-list.ts'

/** Changes a price list. What it applies is another from now on; whoever pays another price thereby is told soon. */
export async function updatePriceList(
  tx: Transaction,
  { params: { priceListId }, body, expected, actor }: Input<typeof priceOperations.updatePriceList>
): Promise<PriceList> {
  const before = await lockPriceList(tx, priceListId)
  keepBefore(tx, before)
  checkVersion(expected, before.version)
  const after = { ...before, ...body }
  const names = ['code', 'name', 'channel', 'customerGroup', 'priority', 'status'] as const
  if (names.every(name => after[name] === before[name])) return before
  const stored = await store(tx, after)
  const applies = ['channel', 'customerGroup', 'priority', 'status'] as const
  if (applies.some(name => after[name] !== before[name])) {
    // At one instant: in between, nobody pays anything else.
    const change = { at: await beginListChange(tx, priceListId), actor: actor.subject }
    if (before.status === 'active') closePeriod(tx, priceListId, change)
    if (after.status === 'active') openPeriod(tx, stored, change)
    reviewSoon(tx, priceListId)
  }
  return stored
}

async function store(tx: Transaction, list: PriceList): Promise<PriceList> {
  const { priceListId, code, name, channel, customerGroup, priority, status } = list
  try {
    const [row] = await tx.query<PriceListRow>(
      `update price_lists set code = $2, name = $3, channel = $4, customer_group = $5, priority = $6, status = $7, version = version + 1,
         updated_at = now()
       where price_list_id = $1 returning *`,
      [priceListId, code, name, channel ?? '', customerGroup ?? '', priority, status]
    )
    return toPriceList(row!)
  } catch (error) {
    throw violated(error) === 'price_lists_code' ? new Problem('code-taken', `Another price list has the code ${code}`) : error
  }
}
