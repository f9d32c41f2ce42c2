/** What a run found: the cases of each group, what must hold, the machine; as tables to read and as JSON. */
import type { Cases, Group } from './group.ts'
import { type Limit, type LimitName, limits, type Verdict, verdictOf } from './limits.ts'
import type { Machine } from './machine.ts'
import { median, type Sample, short, type Taken } from './measure.ts'

export type CaseRow = {
  case: string
  against?: string
  /** The median over the rounds of each column; `ratio` is the median of the ratios of rounds. */
  medians: Sample
  ratio?: number
  /** The lowest and the highest rate of a round. */
  perSecond?: { min: number; max: number }
  rounds: readonly Sample[]
}

export type LimitRow = { limit: LimitName; value: number; verdict: Verdict; rounds: number[] } & Limit

export type GroupReport = { group: string; about: string; cases: CaseRow[]; limits: LimitRow[]; notes: string[] }

export type Report = { command: string; machine: Machine; rounds: number; seconds: number; groups: GroupReport[]; notes: string[] }

/** Rounds that differ by more than this are to be read with care. */
const SPREAD_MAX = 2

export function reportOf(group: string, { about }: Group, { cases, figures, worst = [] }: Cases, taken: Taken): GroupReport {
  const rounds = [...taken.values()][0]!.length
  const inRound = (index: number) => (name: string) => taken.get(name)![index]!
  const rows = cases.map(({ name, against }) => caseRow(name, against, taken))
  const found = Object.entries(figures).map(([name, figure]) => {
    const limit = name as LimitName
    const values = Array.from({ length: rounds }, (_, index) => figure(inRound(index)))
    const value = worst.includes(limit) ? Math.max(...values) : median(values)
    return { limit, value, verdict: verdictOf(limits[limit], value), rounds: values, ...limits[limit] }
  })
  return { group, about, cases: rows, limits: found, notes: [...spreads(rows), ...failures(rows)] }
}

function caseRow(name: string, against: string | undefined, taken: Taken): CaseRow {
  const rounds = taken.get(name)!
  const rates = rounds.flatMap(sample => sample['per s'] ?? [])
  const base = against === undefined ? undefined : taken.get(against)!
  return {
    case: name,
    ...(against !== undefined && { against }),
    medians: Object.fromEntries(Object.keys(rounds[0]!).map(column => [column, median(rounds.map(sample => sample[column]!))])),
    ...(base && { ratio: median(rates.map((rate, round) => rate / base[round]!['per s']!)) }),
    ...(rates.length > 0 && { perSecond: { min: Math.min(...rates), max: Math.max(...rates) } }),
    rounds
  }
}

function spreads(rows: readonly CaseRow[]): string[] {
  return rows
    .filter(({ perSecond }) => perSecond && perSecond.max > SPREAD_MAX * perSecond.min)
    .map(
      row =>
        `rounds differ by more than ${SPREAD_MAX} ×: ${row.case} (${short(row.perSecond!.min)} to ${short(row.perSecond!.max)} per s)`
    )
}

function failures(rows: readonly CaseRow[]): string[] {
  return rows
    .map(row => ({ ...row, failed: row.rounds.reduce((sum, sample) => sum + (sample.failed ?? 0), 0) }))
    .filter(({ failed }) => failed > 0)
    .map(row => `${row.failed} requests failed: ${row.case}`)
}

export type Table = readonly (readonly string[])[]

const leading = ['per s', 'CPU ms', 'PG CPU ms', 'p50 ms', 'p99 ms']

/** One row per case: medians, and for rates what they are of the case that they are compared with. */
export function casesTable({ cases }: GroupReport): Table {
  const found = new Set(cases.flatMap(({ medians }) => Object.keys(medians)))
  if (!cases.some(({ medians }) => medians.failed! > 0)) found.delete('failed')
  const columns = [...leading.filter(column => found.has(column)), ...[...found].filter(column => !leading.includes(column))]
  const rated = cases.some(({ perSecond }) => perSecond)
  const heads = columns.flatMap(column => (column === 'per s' ? ['per s', 'min–max', '×'] : [column]))
  const rows = cases.map(({ case: name, medians, ratio, perSecond }) => [
    name,
    ...columns.flatMap(column => {
      const text = medians[column] === undefined ? '' : short(medians[column])
      if (column !== 'per s') return [text]
      return [text, perSecond ? `${short(perSecond.min)}–${short(perSecond.max)}` : '', ratio === undefined ? '' : short(ratio)]
    })
  ])
  return [['case', ...(rated ? heads : columns)], ...rows]
}

/** What must hold, measured or not, in the order of the limits. */
export function limitsTable({ groups }: Report): Table {
  const found = new Map(groups.flatMap(group => group.limits.map(row => [row.limit, row])))
  const rows = Object.entries(limits).map(([name, limit]) => {
    const row = found.get(name as LimitName)
    const withUnit = (value: number) => (limit.unit === '×' ? short(value) : `${short(value)} ${limit.unit}`)
    const verdict = row ? words[row.verdict] : 'not measured'
    return [limit.what, row ? withUnit(row.value) : '', withUnit(limit.moonshot), withUnit(limit.floor), verdict]
  })
  return [['what', 'measured', 'moonshot', 'floor', ''], ...rows]
}

const words: Record<Verdict, string> = { moonshot: 'moonshot reached', holds: 'floor held', 'below floor': 'BELOW ITS FLOOR' }

export function machineLine({ cores, cpu, memoryGiB, system, node, postgres, pgbench, loadAtStart, at }: Machine): string {
  return `${at} UTC · ${cores} cores (${cpu}), ${memoryGiB} GiB, ${system} · Node ${node} · PostgreSQL ${postgres} · pgbench: ${pgbench} · load at start ${loadAtStart}`
}

/** In columns, for a terminal. */
export function toText(table: Table): string {
  const widths = table[0]!.map((_, column) => Math.max(...table.map(row => row[column]!.length)))
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
  return table.map(row => `  ${line(row).join('  ').trimEnd()}`).join('\n')
}

export function toMarkdown(table: Table): string {
  const rule = table[0]!.map((_, column) => (column === 0 ? '---' : '---:'))
  return [table[0]!, rule, ...table.slice(1)]
    .map(row => `| ${row.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')
}
