import type { priceOperations } from '#contracts/http/product-prices.ts'
import { Problem } from '#contracts/problems.ts'
import type { PriceList } from '#contracts/resources/price-list.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { openPeriod, type PriceListRow, toPriceList } from './price-list.ts'

/** Adds a price list. It has no prices yet. */
export async function createPriceList(
  tx: Transaction,
  { body, actor }: Input<typeof priceOperations.createPriceList>
): Promise<PriceList> {
  const { code, name, channel = null, customerGroup = null, priority = 100, status = 'active' } = body
  const [row] = await tx.query<PriceListRow>(
    `insert into price_lists (price_list_id, code, name, channel, customer_group, priority, status, version, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, 1, now(), now()) on conflict on constraint price_lists_code do nothing returning *`,
    [newId(), code, name, channel ?? '', customerGroup ?? '', priority, status]
  )
  if (!row) throw new Problem('code-taken', `Another price list has the code ${code}`)
  const list = toPriceList(row)
  if (status === 'active') openPeriod(tx, list, { at: list.createdAt, actor: actor.subject })
  return list
}
