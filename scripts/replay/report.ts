/** What a replay ends with: one value, for machines as it is, for people as a table. */
import type { Reconciliation } from '#contracts/resources/inventory.ts'
import type { EventCounts } from './audit-events.ts'
import type { Finding } from './findings.ts'
import type { OpeningStock, Plan } from './plan.ts'
import type { Played } from './play.ts'
import type { History } from './read-history.ts'
import { type Reason, reasons } from './read-row.ts'
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
  orders: { placed: number; confirmed: number; rejected: number; cancelled: number; completed: number; pending: number }
  returns: { booked: number; ofRejectedOrders: number }
  units: { ordered: number; rejected: number; cancelled: number; sold: number; returned: number }
  stock: Pick<Reconciliation, 'levels' | 'drift' | 'oversold'>
  events: EventCounts & { committedInAll: number; appliedInAll: number; appliedTwice: number; lost: number }
  /** What was still to be handled when nothing moved any more. */
  backlog: Backlog
  findings: Finding[]
  errorsLogged: number
  seconds: Record<string, number>
}

export function reportOf(given: {
  options: { file: string; opening: OpeningStock; eventFaults: readonly string[]; kills: number }
  history: History
  plan: Plan
  played: Played
  backlog: Backlog
  reconciliation: Reconciliation
  events: EventCounts
  findings: Finding[]
  errorsLogged: number
  seconds: Record<string, number>
}): Report {
  const { history, plan, played, backlog, events, findings, errorsLogged, seconds } = given
  const { file, opening, eventFaults, kills } = given.options
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

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function unitsOf(of: readonly { lines: readonly { quantity: number }[] }[]): number {
  return sum(of.flatMap(({ lines }) => lines.map(line => line.quantity)))
}

/** For people. */
export function printed(report: Report): string {
  const { rows, catalog, orders, returns, units, stock, events, backlog, findings, seconds } = report
  const unusable = Object.entries(rows.unusable) as [Reason, number][]
  const committed = Object.entries(events.committed).map(([service, count]) => `${service} ${figure(count)}`)
  const table: (readonly [string, string | number, string?] | '')[] = [
    ['rows read', rows.read],
    ['  sold', rows.sold],
    ['  taken back', rows.cancelled],
    ['  not usable', sum(unusable.map(([, count]) => count))],
    ...unusable.map(([reason, count]) => [`    ${reasons[reason]}`, count] as const),
    '',
    ['products', catalog.products, `${figure(catalog.withSeveralPrices)} of them sold at several prices: the most frequent counts`],
    ['  units to begin with', catalog.openingUnits],
    '',
    ['orders', orders.placed],
    ['  confirmed', orders.confirmed, `${figure(orders.completed)} completed, ${figure(orders.cancelled)} cancelled`],
    ['  rejected', orders.rejected, share(orders.rejected, orders.placed)],
    ...(orders.pending > 0 ? [['  never answered', orders.pending] as const] : []),
    ['returns', returns.booked, `${figure(returns.ofRejectedOrders)} more of what never left`],
    ['units ordered', units.ordered],
    ['  sold', units.sold],
    ['  rejected', units.rejected],
    ['  cancelled', units.cancelled],
    ['units returned', units.returned],
    '',
    ['stock levels', stock.levels],
    ['  drift', stock.drift],
    ['  oversold units', stock.oversold],
    '',
    ['events committed', events.committedInAll, committed.join(', ')],
    ['  delivered', events.delivered, `${figure(events.deliveredAgain)} of them again`],
    ['  applied', events.appliedInAll],
    ...events.consumers.map(({ consumer, due, applied }) => [`    by ${consumer}`, applied, `of ${figure(due)}`] as const),
    ['  applied twice', events.appliedTwice],
    ['  lost', events.lost],
    ['  dead letters', events.deadLettersOpen],
    ['  still waiting', sum(Object.values(backlog))],
    '',
    [
      'seconds',
      sum(Object.values(seconds)),
      Object.entries(seconds)
        .map(([name, count]) => `${name} ${count}`)
        .join(', ')
    ]
  ]
  const width = Math.max(...table.map(line => line[0]?.length ?? 0))
  const lines = table.map(line => {
    if (line === '') return ''
    const [name, value, note] = line
    return `${name.padEnd(width)}  ${figure(value).padStart(9)}${note ? `  ${note}` : ''}`
  })
  const found = findings.flatMap(({ what, lost, twice, examples = [] }) => [
    `${what}: ${figure(lost)} lost, ${figure(twice)} twice`,
    ...examples.map(example => `  ${example}`)
  ])
  const verdict = report.ok ? 'Nothing drifted, was oversold, lost or counted twice.' : 'NOT AS IT MUST BE.'
  return [...lines, '', ...found, ...(found.length > 0 ? [''] : []), verdict, ''].join('\n')
}

function figure(value: string | number): string {
  return typeof value === 'number' ? value.toLocaleString('en') : value
}

function share(part: number, whole: number): string {
  return whole === 0 ? '' : `${Math.round((part / whole) * 1000) / 10} %`
}
