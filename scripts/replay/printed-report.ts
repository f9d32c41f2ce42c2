/** A report as a table for people. */
import { type Reason, reasons } from './read-row.ts'
import { type Report, sum } from './report.ts'

type Line = readonly [name: string, value: number, note?: string]
const gap = ['', Number.NaN] as const

export function printed(report: Report): string {
  const lines = [...history(report), gap, ...trade(report), gap, ...events(report), gap, time(report)]
  const width = Math.max(...lines.map(([name]) => name.length))
  const table = lines.map(([name, value, note]) =>
    name === '' ? '' : `${name.padEnd(width)}  ${figure(value).padStart(9)}${note ? `  ${note}` : ''}`
  )
  const found = report.findings.flatMap(({ what, lost, twice, examples = [] }) => [
    `${what}: ${figure(lost)} lost, ${figure(twice)} twice`,
    ...examples.map(example => `  ${example}`)
  ])
  const verdict = report.ok ? 'Nothing drifted, was oversold, lost or counted twice.' : 'This is NOT as it must be.'
  return [...table, '', ...found, ...(found.length > 0 ? [''] : []), verdict, ''].join('\n')
}

function history({ rows, catalog }: Report): Line[] {
  const unusable = Object.entries(rows.unusable) as [Reason, number][]
  return [
    ['rows read', rows.read],
    ['  sold', rows.sold],
    ['  taken back', rows.cancelled],
    ['  not usable', sum(unusable.map(([, count]) => count))],
    ...unusable.map(([reason, count]) => [`    ${reasons[reason]}`, count] as const),
    gap,
    ['products', catalog.products, `${figure(catalog.withSeveralPrices)} sold at several prices: the most frequent counts`],
    ['  units to begin with', catalog.openingUnits]
  ]
}

function trade({ orders, returns, units, stock }: Report): Line[] {
  const refusals = Object.entries(orders.rejectedBy).map(([reason, count]) => `${figure(count)} ${reason}`)
  return [
    ['orders', orders.placed],
    ['  confirmed', orders.confirmed, `${figure(orders.completed)} completed, ${figure(orders.cancelled)} cancelled`],
    ['  rejected', orders.rejected, [share(orders.rejected, orders.placed), ...refusals].join(', ')],
    ['  never answered', orders.pending],
    ['returns', returns.booked, `${figure(returns.ofRejectedOrders)} more of what never left`],
    ['units ordered', units.ordered],
    ['  sold', units.sold],
    ['  rejected', units.rejected],
    ['  cancelled', units.cancelled],
    ['units returned', units.returned],
    gap,
    ['stock levels', stock.levels],
    ['  drift', stock.drift],
    ['  oversold units', stock.oversold]
  ]
}

function events({ events, eventFaults, kills, backlog, errorsLogged }: Report): Line[] {
  const committed = Object.entries(events.committed).map(([service, count]) => `${service} ${figure(count)}`)
  const { duplicatesRefused } = events
  return [
    ['kills', kills],
    ['events committed', events.committedInAll, committed.join(', ')],
    ['  delivered', events.delivered, [`${figure(events.deliveredAgain)} of them again`, ...eventFaults].join(', ')],
    ...(duplicatesRefused === null ? [] : [['  refused as known', duplicatesRefused, 'since the last start'] as const]),
    ['  applied', events.appliedInAll],
    ...events.consumers.map(({ consumer, due, applied }) => [`    by ${consumer}`, applied, `of ${figure(due)}`] as const),
    ['  applied twice', events.appliedTwice],
    ['  lost', events.lost],
    ['  dead letters', events.deadLettersOpen],
    ['  still waiting', sum(Object.values(backlog))],
    ['errors logged', errorsLogged]
  ]
}

function time({ seconds }: Report): Line {
  const parts = Object.entries(seconds).map(([name, count]) => `${name} ${count}`)
  return ['seconds', sum(Object.values(seconds)), parts.join(', ')]
}

function figure(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 1 })
}

function share(part: number, whole: number): string {
  return whole === 0 ? 'none' : `${Math.round((part / whole) * 1000) / 10} %`
}
