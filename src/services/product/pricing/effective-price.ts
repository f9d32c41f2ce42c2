/**
 * What a buyer pays, at any instant: the price of the first list that has one, else the base price. Instants are milliseconds, intervals
 * half-open, amounts minor units; an empty channel or customer group is none of its own, or any.
 */

export type Buyer = { channel: string; customerGroup: string; quantity: number }

/** A price of a list over a time in which it applies, and why it begins and ends then. */
export type PricePeriod = {
  priceListId: string
  priceId: string
  channel: string
  customerGroup: string
  priority: number
  minQuantity: number
  minor: bigint
  /** As they were set; `from` and `to` are when it really applies. */
  startsAt: string | null
  endsAt: string | null
  from: number
  to: number
  began: Reason
  ended: Reason
}

export type Reason = { cause: string; actor: string }

/** All that is known of the price of a variant in one currency. */
export type PriceLine = {
  /** The base price since each instant, oldest first. */
  base: readonly { from: number; minor: bigint | null }[]
  periods: readonly PricePeriod[]
}

/** The price of a list that a buyer gets at an instant; undefined: the base price. */
export function periodFor({ periods }: PriceLine, buyer: Buyer, at: number): PricePeriod | undefined {
  const ofList = new Map<string, PricePeriod>()
  for (const period of periods) {
    if (!isFor(period, buyer) || at < period.from || at >= period.to) continue
    const known = ofList.get(period.priceListId)
    if (!known || period.minQuantity > known.minQuantity) ofList.set(period.priceListId, period)
  }
  let first: PricePeriod | undefined
  for (const period of ofList.values()) if (!first || precedes(period, first)) first = period
  return first
}

/** What a buyer pays at an instant; null: there is no price. */
export function amountFor(line: PriceLine, buyer: Buyer, at: number): bigint | null {
  const period = periodFor(line, buyer, at)
  return period ? period.minor : (line.base.findLast(({ from }) => from <= at)?.minor ?? null)
}

/** The lowest that a buyer paid from one instant until just before another; null: there was no price. */
export function lowestFor(line: PriceLine, buyer: Buyer, from: number, to: number): bigint | null {
  let lowest: bigint | null = null
  for (const at of [from, ...turnsOf(line, from, to)]) {
    const amount = at < to ? amountFor(line, buyer, at) : null
    if (amount !== null && (lowest === null || amount < lowest)) lowest = amount
  }
  return lowest
}

/** The instants between two at which a price begins or ends, in order: the first may be among them, the last is not. */
export function turnsOf({ base, periods }: PriceLine, from: number, to: number): number[] {
  const turns = new Set([...base.map(step => step.from), ...periods.flatMap(period => [period.from, period.to])])
  return [...turns].filter(at => at >= from && at < to).sort((a, b) => a - b)
}

function isFor(period: PricePeriod, { channel, customerGroup, quantity }: Buyer): boolean {
  return (
    period.minQuantity <= quantity &&
    (period.channel === '' || period.channel === channel) &&
    (period.customerGroup === '' || period.customerGroup === customerGroup)
  )
}

/** By priority, then the one for fewer buyers, then the lower one; the last word makes it the same everywhere. */
function precedes(one: PricePeriod, other: PricePeriod): boolean {
  if (one.priority !== other.priority) return one.priority < other.priority
  if (narrowness(one) !== narrowness(other)) return narrowness(one) > narrowness(other)
  if (one.minor !== other.minor) return one.minor < other.minor
  return one.priceListId < other.priceListId
}

function narrowness({ channel, customerGroup }: PricePeriod): number {
  return (channel === '' ? 0 : 2) + (customerGroup === '' ? 0 : 1)
}
