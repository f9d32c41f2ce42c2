/** What a replay ends with, as one value: for machines as it is, for people as a table (printed-report.ts). */
import type { Reconciliation } from '#contracts/resources/inventory.ts'
import type { EventCounts } from './audit-events.ts'
import type { Finding } from './findings.ts'
import type { OpeningStock, Plan } from './plan.ts'
import type { Played } from './play.ts'
import type { History } from './read-history.ts'
import type { Reason } from './read-row.ts'
import type { Backlog } from './settle.ts'

export type Report = {
  /** Nothing drifted, oversold, lost or applied twice, no dead letter open, nothing left to handle. */
  ok: boolean
  file: string
  opening: OpeningStock
  eventFaults: readonly string[]
  kills: number
  rows: { read: number; sold: number; cancelled: number; unusable: Partial<Record<Reason, number>> }
  catalog: { products: number; withSeveralPrices: number; openingUnits: number }
  orders: {
    placed: number
    confirmed: number
    rejected: number
    rejectedBy: Record<string, number>
    cancelled: number
    completed: number
    pending: number
  }
  returns: { booked: number; ofRejectedOrders: number }
  units: { ordered: number; rejected: number; cancelled: number; sold: number; returned: number }
  stock: Pick<Reconciliation, 'levels' | 'drift' | 'oversold'>
  events: EventCounts & {
    committedInAll: number
    /** Deliveries that consumers knew already, since the last start; null where it cannot be known. */
    duplicatesRefused: number | null
    appliedInAll: number
    appliedTwice: number
    lost: number
  }
  /** What was still to be handled when nothing moved any more. */
  backlog: Backlog
  findings: Finding[]
  errorsLogged: number
  seconds: Record<string, number>
}

export function reportOf(given: {
  options: { file: string; opening: OpeningStock; eventFaults: readonly string[] }
  history: History
  plan: Plan
  played: Played
  backlog: Backlog
  reconciliation: Reconciliation
  events: EventCounts
  findings: Finding[]
  kills: number
  duplicatesRefused: number | null
  errorsLogged: number
  seconds: Record<string, number>
}): Report {
  const { history, plan, played, backlog, events, findings, kills, duplicatesRefused, errorsLogged, seconds } = given
  const { file, opening, eventFaults } = given.options
  const { levels, drift, oversold } = given.reconciliation
  const withStatus = (status: string) => played.orders.filter(order => order.status === status)
  const lost = sum(findings.map(finding => finding.lost))
  const twice = sum(findings.map(finding => finding.twice))
  const rejected = withStatus('rejected')
  const [pending, cancelled, completed] = [withStatus('pending'), withStatus('cancelled'), withStatus('completed')]
  const clean = [drift, oversold, lost, twice, events.deadLettersOpen, ...Object.values(backlog)].every(count => count === 0)
  return {
    ok: clean,
    file,
    opening,
    eventFaults,
    kills,
    rows: history.rows,
    catalog: {
      products: plan.products.length,
      withSeveralPrices: plan.severalPrices,
      openingUnits: sum(plan.products.map(product => product.opening))
    },
    orders: {
      placed: played.orders.length,
      confirmed: played.orders.length - rejected.length - pending.length,
      rejected: rejected.length,
      rejectedBy: countsOf(rejected.map(order => order.reason ?? 'no reason')),
      cancelled: cancelled.length,
      completed: completed.length,
      pending: pending.length
    },
    returns: { booked: played.returns.length, ofRejectedOrders: played.nothingToTakeBack },
    units: {
      ordered: unitsOf(played.orders),
      rejected: unitsOf(rejected),
      cancelled: unitsOf(cancelled),
      sold: unitsOf(completed),
      returned: unitsOf(played.returns)
    },
    stock: { levels, drift, oversold },
    events: {
      ...events,
      committedInAll: sum(Object.values(events.committed)),
      duplicatesRefused,
      appliedInAll: sum(events.consumers.map(consumer => consumer.applied)),
      appliedTwice: twice,
      lost
    },
    backlog,
    findings,
    errorsLogged,
    seconds
  }
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function countsOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

function unitsOf(of: readonly { lines: readonly { quantity: number }[] }[]): number {
  return sum(of.flatMap(({ lines }) => lines.map(line => line.quantity)))
}
