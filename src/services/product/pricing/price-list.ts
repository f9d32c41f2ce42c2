/** Price lists in the database: as they are, and as what they applied when. */
import { Problem } from '#contracts/problems.ts'
import type { PriceList } from '#contracts/resources/price-list.ts'
import type { Queryable, Row, Transaction } from '#platform/postgres/database.ts'

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
export function lockPriceList(tx: Transaction, priceListId: string): Promise<PriceList> {
  return readPriceList(tx, priceListId, 'for update')
}

/** Reads a price list. Throws `not-found`. */
export async function readPriceList(database: Queryable, priceListId: string, lock: 'for update' | '' = ''): Promise<PriceList> {
  const [row] = await database.query<PriceListRow>(`select * from price_lists where price_list_id = $1 ${lock}`, [priceListId])
  if (!row) throw new Problem('not-found', 'There is no such price list')
  return toPriceList(row)
}

/** From here to the end of the transaction every list applies as it does now. Products are locked before it, reviews after it. */
export function holdPriceLists(tx: Transaction): void {
  tx.send(`select pg_advisory_xact_lock_shared(hashtextextended('price lists', 4))`)
}

/**
 * Begins a change of what a locked list applies, and gives its instant: after everything that was told of its prices. Nobody reviews prices
 * until the transaction ends: a review that did not know of the change would leave it behind.
 */
export async function beginListChange(tx: Transaction, priceListId: string): Promise<string> {
  tx.send(`select pg_advisory_xact_lock(hashtextextended('price lists', 4))`)
  const [last] = await tx.query<{ at: string | null }>(
    `select greatest(
       (select max(greatest(from_at, to_at)) from price_list_periods where price_list_id = $1),
       (select max(reviewed_to) from price_reviews where variant_id in (
         select variant_id from listed_prices where price_list_id = $1 and removed_at is null
       ))
     ) as at`,
    [priceListId]
  )
  return new Date(Math.max(Date.now(), last?.at ? Date.parse(last.at) + 1 : 0)).toISOString()
}

type Change = { at: string; actor: string }

/** From an instant on the list applies as it is. */
export function openPeriod(
  tx: Transaction,
  { priceListId, channel, customerGroup, priority }: PriceList,
  { at, actor }: Change
): void {
  tx.send(
    `insert into price_list_periods (price_list_id, from_at, channel, customer_group, priority, opened_by)
     values ($1, $2, $3, $4, $5, $6)`,
    [priceListId, at, channel ?? '', customerGroup ?? '', priority, actor]
  )
}

/** From an instant on the list does not apply as it did. */
export function closePeriod(tx: Transaction, priceListId: string, { at, actor }: Change): void {
  tx.send('update price_list_periods set to_at = $2, closed_by = $3 where price_list_id = $1 and to_at is null', [
    priceListId,
    at,
    actor
  ])
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
