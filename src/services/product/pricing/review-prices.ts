/**
 * Finds what buyers of variants with prices of lists are to be told: every change of what they pay since the last review, whether a schedule
 * began or ended, a list was changed or a base price set. What was told is remembered, so that whoever reviews next goes on from there.
 */
import type { Transaction } from '#platform/postgres/database.ts'
import type { PriceLine, Reason } from './effective-price.ts'
import { amountOf, minorOf, type PriceChanged } from './price-change.ts'
import { readPriceLines } from './price-lines.ts'
import { holdPriceLists } from './price-list.ts'
import { keyOf, movesOf, type PriceMove, type Told } from './price-moves.ts'
import type { BaseDifference } from './record-price-changes.ts'

export type Review = {
  /** Up to and with this instant. */
  at: string
  /** Of what no schedule and no list explains. */
  reason: Reason
  /** Base prices that change at that instant. */
  base?: readonly BaseDifference[]
}

/** A move of one variant and currency; `base` says that it is a change of the base price, too. */
type Row = PriceMove & { variantId: string; currency: string; base: boolean }

/** Call it under the locks of the products: it is they that keep two reviews of a variant apart. */
export async function reviewPrices(
  tx: Transaction,
  variantIds: readonly string[],
  { at, reason, base = [] }: Review
): Promise<PriceChanged[]> {
  holdPriceLists(tx)
  const reviews = await tx.query<{ variant_id: string; reviewed_to: string }>(
    'select variant_id, reviewed_to from price_reviews where variant_id = any($1::uuid[]) order by variant_id for update',
    [variantIds]
  )
  const reviewedTo = new Map(reviews.map(row => [row.variant_id, Date.parse(row.reviewed_to)]))
  // A clock that is behind another's: nothing is told of before what was told already.
  const to = Math.max(Date.parse(at), ...[...reviewedTo.values()].map(each => each + 1))
  const rows: Row[] = []
  for (const [currency, ids] of await currenciesOf(tx, [...reviewedTo.keys()], base)) {
    const from = Math.min(...ids.map(id => reviewedTo.get(id)!))
    const [lines, told] = await Promise.all([readPriceLines(tx, ids, currency, { from, to }), readTold(tx, ids, currency)])
    for (const variantId of ids) {
      const change = base.find(each => each.variantId === variantId && each.currency === currency)
      const line = withBase(lines.get(variantId)!, change, to)
      const moves = movesOf(line, told.get(variantId) ?? [], { from: reviewedTo.get(variantId)! + 1, to }, reason)
      rows.push(...rowsOf(moves, change, { variantId, currency, at: to, reason }))
    }
  }
  await store(tx, rows)
  tx.send(
    `update price_reviews r set reviewed_to = $2::timestamptz, due_at = (
       select min(t.at) from price_periods p cross join lateral (values (p.from_at), (p.to_at)) as t (at)
       where p.variant_id = r.variant_id and t.at > $2::timestamptz
     ) where r.variant_id = any($1::uuid[])`,
    [[...reviewedTo.keys()], new Date(to).toISOString()]
  )
  return rows.flatMap(row => (row.sequence === 0 ? [] : [changeOf(row)]))
}

async function currenciesOf(
  tx: Transaction,
  variantIds: readonly string[],
  base: readonly BaseDifference[]
): Promise<Map<string, string[]>> {
  const rows = await tx.query<{ variant_id: string; currency: string }>(
    'select distinct variant_id, currency from listed_prices where variant_id = any($1::uuid[])',
    [variantIds]
  )
  const pairs = [
    ...rows.map(row => ({ variantId: row.variant_id, currency: row.currency })),
    ...base.filter(({ variantId }) => variantIds.includes(variantId))
  ]
  const currencies = new Map<string, Set<string>>()
  for (const { variantId, currency } of pairs) currencies.set(currency, (currencies.get(currency) ?? new Set()).add(variantId))
  return new Map([...currencies].map(([currency, ids]) => [currency, [...ids]]))
}

function withBase(line: PriceLine, change: BaseDifference | undefined, at: number): PriceLine {
  if (!change) return line
  return { ...line, base: [...line.base, { from: at, minor: minorOf(change.newAmount, change.currency) }] }
}

/** What was told last of each kind of buyer. */
async function readTold(tx: Transaction, variantIds: readonly string[], currency: string): Promise<Map<string, Told[]>> {
  const rows = await tx.query<{
    variant_id: string
    channel: string
    customer_group: string
    min_quantity: number
    minor: string | null
    sequence: number
  }>(
    `select distinct on (variant_id, channel, customer_group, min_quantity)
       variant_id, channel, customer_group, min_quantity, new_minor::text as minor, sequence
     from price_changes where variant_id = any($1::uuid[]) and currency = $2 and sequence is not null
     order by variant_id, channel, customer_group, min_quantity, sequence desc`,
    [variantIds, currency]
  )
  const told = Map.groupBy(rows, row => row.variant_id)
  return new Map(
    [...told].map(([variantId, each]) => [
      variantId,
      each.map(row => ({
        channel: row.channel,
        customerGroup: row.customer_group,
        minQuantity: row.min_quantity,
        minor: row.minor === null ? null : BigInt(row.minor),
        sequence: row.sequence
      }))
    ])
  )
}

const keyOfAnybody = keyOf({ channel: '', customerGroup: '', minQuantity: 1 })

/** The rows of a variant's moves, and one of the base price where it changed behind the price of a list: nobody is told of that. */
function rowsOf(
  moves: readonly PriceMove[],
  change: BaseDifference | undefined,
  { variantId, currency, at, reason }: { variantId: string; currency: string; at: number; reason: Reason }
): Row[] {
  const isBase = (move: PriceMove) =>
    change !== undefined && keyOf(move) === keyOfAnybody && move.at === at && move.priceListId === null
  const rows = moves.map(move => ({ ...move, variantId, currency, base: isBase(move) }))
  if (!change || rows.some(row => row.base)) return rows
  const silent = { channel: '', customerGroup: '', minQuantity: 1, priceListId: null, at, sequence: 0, ...reason }
  return [
    ...rows,
    {
      ...silent,
      old: minorOf(change.oldAmount, currency),
      new: minorOf(change.newAmount, currency),
      variantId,
      currency,
      base: true
    }
  ]
}

async function store(tx: Transaction, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return
  tx.send(
    `insert into price_changes (variant_id, currency, channel, customer_group, min_quantity, sequence, old_minor, new_minor, price_list_id,
       cause, base, effective_at, actor)
     select c.variant_id, c.currency, c.channel, c.customer_group, c.min_quantity, nullif(c.sequence, 0), c.old_minor, c.new_minor,
       c.price_list_id, c.cause, c.base, c.effective_at, c.actor
     from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::uuid[],
       $10::text[], $11::boolean[], $12::timestamptz[], $13::text[]) with ordinality
       as c (variant_id, currency, channel, customer_group, min_quantity, sequence, old_minor, new_minor, price_list_id, cause, base,
         effective_at, actor, place)
     order by c.place`,
    [
      rows.map(row => row.variantId),
      rows.map(row => row.currency),
      rows.map(row => row.channel),
      rows.map(row => row.customerGroup),
      rows.map(row => row.minQuantity),
      rows.map(row => row.sequence),
      rows.map(row => row.old?.toString() ?? null),
      rows.map(row => row.new?.toString() ?? null),
      rows.map(row => row.priceListId),
      rows.map(row => row.cause),
      rows.map(row => row.base),
      rows.map(row => new Date(row.at).toISOString()),
      rows.map(row => row.actor)
    ]
  )
}

function changeOf(row: Row): PriceChanged {
  const { variantId, currency, channel, customerGroup, minQuantity, priceListId, cause, sequence } = row
  return {
    variantId,
    currency,
    channel: channel || null,
    customerGroup: customerGroup || null,
    minQuantity,
    oldAmount: amountOf(row.old, currency),
    newAmount: amountOf(row.new, currency),
    priceListId,
    cause,
    effectiveAt: new Date(row.at).toISOString(),
    sequence
  }
}
