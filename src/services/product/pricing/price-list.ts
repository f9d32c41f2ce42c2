/** Price lists in the database: as they are, and as what they applied when. */
import { Problem } from '#contracts/problems.ts'
import type { PriceList } from '#contracts/resources/price-list.ts'
import type { Row, Transaction } from '#platform/database.ts'

export type PriceListRow = Row & {
  price_list_id: string
  code: string
  name: string
  channel: string
  customer_group: string
  priority: number
  status: PriceList['status']
  version: number
  created_at: string
  updated_at: string
}

export function toPriceList(row: PriceListRow): PriceList {
  return {
    priceListId: row.price_list_id,
    code: row.code,
    name: row.name,
    channel: row.channel || null,
    customerGroup: row.customer_group || null,
    priority: row.priority,
    status: row.status,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at
  }
}

/** Locks a price list: its prices change one after the other. Products are locked after it, never before. Throws `not-found`. */
export async function lockPriceList(tx: Transaction, priceListId: string): Promise<PriceList> {
  const [row] = await tx.query<PriceListRow>('select * from price_lists where price_list_id = $1 for update', [priceListId])
  if (!row) throw new Problem('not-found', 'There is no such price list')
  return toPriceList(row)
}

/** The list applies as it is, from an instant on or from now. */
export async function openPeriod(
  tx: Transaction,
  { priceListId, channel, customerGroup, priority }: Pick<PriceList, 'priceListId' | 'channel' | 'customerGroup' | 'priority'>,
  actor: string,
  at?: string
): Promise<void> {
  await tx.query(
    `insert into price_list_periods (price_list_id, from_at, channel, customer_group, priority, opened_by)
     select $1, coalesce($6::timestamptz, greatest(date_trunc('milliseconds', clock_timestamp()), max(to_at))), $2, $3, $4, $5
     from price_list_periods where price_list_id = $1`,
    [priceListId, channel ?? '', customerGroup ?? '', priority, actor, at ?? null]
  )
}

/** From now on the list does not apply as it did; gives the instant. A period has a millisecond at least. */
export async function closePeriod(tx: Transaction, priceListId: string, actor: string): Promise<string> {
  const [closed] = await tx.query<{ to_at: string }>(
    `update price_list_periods set closed_by = $2,
       to_at = greatest(date_trunc('milliseconds', clock_timestamp()), from_at + interval '1 millisecond')
     where price_list_id = $1 and to_at is null returning to_at`,
    [priceListId, actor]
  )
  return closed!.to_at
}

/** Has everything that the list has prices of reviewed soon: applyPriceSchedules tells what is another price thereby. */
export function reviewSoon(tx: Transaction, priceListId: string): void {
  tx.send(
    `update price_reviews r set due_at = now() from (
       select variant_id from price_reviews where variant_id in (
         select variant_id from listed_prices where price_list_id = $1 and removed_at is null
       ) order by variant_id for update
     ) due where r.variant_id = due.variant_id`,
    [priceListId]
  )
}
