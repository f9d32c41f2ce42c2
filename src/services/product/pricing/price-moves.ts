/** What is to be told of the price of a variant in one currency: for each kind of buyer, every change of what they pay. */
import { amountFor, type PriceLine, periodFor, type Reason, turnsOf } from './effective-price.ts'

/** The buyers of exactly this channel, customer group and quantity. */
export type Context = { channel: string; customerGroup: string; minQuantity: number }

/** What was told last of a context. */
export type Told = Context & { minor: bigint | null; sequence: number }

export type PriceMove = Context &
  Reason & {
    old: bigint | null
    new: bigint | null
    /** The list whose price it is since. */
    priceListId: string | null
    at: number
    sequence: number
  }

/**
 * The changes from one instant up to and with another, in their order. Before the first everything has been told. Contexts are those that
 * were told of once, and those of lists. A change of the base price has the reason that is given.
 */
export function movesOf(line: PriceLine, told: readonly Told[], span: { from: number; to: number }, reason: Reason): PriceMove[] {
  const contexts = new Map(line.periods.map(period => [keyOf(period), period as Context]))
  for (const each of told) contexts.set(keyOf(each), each)
  const lastOf = new Map(told.map(each => [keyOf(each), each]))
  // The first instant too: what came to be known only after the last review is told then.
  const turns = [...new Set([span.from, ...turnsOf(line, span.from, span.to + 1)])]
  const moves = [...contexts].flatMap(([key, context]) => movesIn(context, lastOf.get(key), line, turns, span.from, reason))
  return moves.sort((a, b) => a.at - b.at || a.channel.localeCompare(b.channel) || a.minQuantity - b.minQuantity)
}

export function keyOf({ channel, customerGroup, minQuantity }: Context): string {
  return `${channel} ${customerGroup} ${minQuantity}`
}

function movesIn(
  { channel, customerGroup, minQuantity }: Context,
  last: Told | undefined,
  line: PriceLine,
  turns: readonly number[],
  from: number,
  reason: Reason
): PriceMove[] {
  const buyer = { channel, customerGroup, quantity: minQuantity }
  let amount = last ? last.minor : amountFor(line, buyer, from - 1)
  let sequence = last?.sequence ?? 0
  const moves: PriceMove[] = []
  for (const at of turns) {
    const next = amountFor(line, buyer, at)
    if (next === amount) continue
    const period = periodFor(line, buyer, at)
    const { cause, actor } = reasonAt(period, periodFor(line, buyer, at - 1), at) ?? reason
    const priceListId = period?.priceListId ?? null
    moves.push({ channel, customerGroup, minQuantity, old: amount, new: next, at, cause, actor, priceListId, sequence: ++sequence })
    amount = next
  }
  return moves
}

function reasonAt(
  period: { from: number; began: Reason } | undefined,
  before: { to: number; ended: Reason } | undefined,
  at: number
) {
  if (period?.from === at) return period.began
  return before?.to === at ? before.ended : undefined
}
