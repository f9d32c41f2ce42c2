/** The fault matrix as docs/explanation/fault-matrix.md shows it, made of the scenarios themselves. */
import { invariants } from './ledger.ts'
import { scenarios } from './scenarios.ts'
import { webhookRow } from './webhook-faults.ts'

export const START = '<!-- the matrix: written by `npm run chaos -- --document` -->'
export const END = '<!-- the end of the matrix -->'

/** The document with its matrix as the scenarios say it. Throws when it has no place for it. */
export function withMatrix(document: string): string {
  const [before, rest] = document.split(START)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`the document has no ${START} … ${END}`)
  return `${before}${START}\n\n${matrix()}\n\n${END}${after}`
}

function matrix(): string {
  const rows = scenarios.map(({ id, title, faults, brokers, quick }) => {
    const full = brokers.filter(broker => !quick.includes(broker))
    return [id, faults.map(({ says }) => says).join('; '), title, quick.join(', ') || '–', full.join(', ') || '–']
  })
  // It has a world of its own, without a broker, and is in every test run only.
  const next = rows.findIndex(([id]) => Number(id?.slice(1)) > Number(webhookRow.id.slice(1)))
  rows.splice(next, 0, [webhookRow.id, webhookRow.says.join('; '), webhookRow.title, 'without a broker', '–'])
  const promises = Object.entries(invariants).map(([invariant, promise]) => `- **${invariant}** ${promise}`)
  const head = ['', 'What goes wrong', 'What holds, and the name of its test', 'In every test run', 'In `npm run chaos` only']
  return [...promises, '', line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function line(cells: readonly string[]): string {
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
