/** Dead letters as people read them. */
import type { DeadLetter, DeadLetterGroup } from '#contracts/resources/dead-letter.ts'
import type { DeadLetterOptions } from './arguments.ts'

const WIDTH = 160

/** A line for each, the last error cut to what is left of the line. */
export function tellList(
  letters: readonly DeadLetter[],
  more: boolean,
  { status }: Pick<DeadLetterOptions, 'status'>,
  out: NodeJS.WritableStream
): void {
  if (letters.length === 0) {
    out.write(`There are no ${status === 'any' ? '' : `${status} `}dead letters that match.\n`)
    return
  }
  const rows = letters.map(each => [
    each.deadLetterId,
    each.receivedAt.slice(0, 19).replace('T', ' '),
    each.consumer,
    each.eventType ?? '?',
    each.key,
    each.reason,
    String(each.attempts),
    ...(status === 'any' ? [each.status] : []),
    each.lastError.replaceAll(/\s+/g, ' ')
  ])
  const titles = [
    'ID',
    'RECEIVED',
    'CONSUMER',
    'EVENT',
    'KEY',
    'REASON',
    'TRIES',
    ...(status === 'any' ? ['STATUS'] : []),
    'LAST ERROR'
  ]
  tellTable(titles, rows, out)
  if (more) out.write('… and more: --limit says how many\n')
  out.write('npm run dead-letters -- show ID has everything of one\n')
}

export function tellDeadLetter(letter: DeadLetter, out: NodeJS.WritableStream): void {
  const { headers, body, bodyEncoding, bodyBytes, ...plain } = letter
  for (const [name, value] of Object.entries(plain)) if (value !== null && value !== '') out.write(`${name.padEnd(14)} ${value}\n`)
  out.write('headers\n')
  for (const [name, value] of Object.entries(headers)) out.write(`  ${name}: ${value}\n`)
  out.write(`body (${bodyBytes} bytes, ${bodyEncoding})\n${readable(body, bodyEncoding)}\n`)
  if (letter.status === 'open')
    out.write(
      `\nnpm run dead-letters -- replay ${letter.deadLetterId}\nnpm run dead-letters -- discard ${letter.deadLetterId} --note WHY\n`
    )
}

export function tellGroups(
  { matched, groups }: { matched: number; groups: readonly DeadLetterGroup[] },
  what: string,
  out: NodeJS.WritableStream
): void {
  out.write(`Dry run: ${matched} ${what}\n`)
  const rows = groups.map(each => [
    String(each.count),
    each.consumer,
    each.eventType ?? '?',
    each.reason,
    each.firstReceivedAt,
    each.lastReceivedAt
  ])
  if (rows.length > 0) tellTable(['COUNT', 'CONSUMER', 'EVENT', 'REASON', 'FIRST', 'LAST'], rows, out)
}

function tellTable(titles: readonly string[], rows: readonly (readonly string[])[], out: NodeJS.WritableStream): void {
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map(row => row[column]!.length)))
  for (const row of [titles, ...rows]) {
    const line = row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!))).join('  ')
    const before = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0)
    out.write(`${line.slice(0, Math.max(WIDTH, before + 60)).trimEnd()}\n`)
  }
}

function readable(body: string, encoding: DeadLetter['bodyEncoding']): string {
  if (encoding === 'base64') return body
  try {
    return JSON.stringify(JSON.parse(body), null, 2)
  } catch {
    return body
  }
}
