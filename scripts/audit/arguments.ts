/** The command line for the audit log. */
import { parseArgs } from 'node:util'
import { type Link, linkOf } from '#platform/audit/audit-chain.ts'
import type { AuditFilter } from '#platform/audit/audit-records.ts'

/** What was asked cannot be done; nothing was touched. */
export class UsageError extends Error {}

export type Command = 'verify' | 'export' | 'prune'

export type AuditOptions = {
  command: Command
  serviceName: string
  expected: Link | undefined
  format: 'ndjson' | 'csv'
  filter: AuditFilter
  /** Only of `prune`. */
  before: Date | undefined
}

const USAGE = `Usage: npm run audit -- verify [--expect POSITION:HASH]
       npm run audit -- export [--format ndjson|csv] [--actor SUBJECT] [--operation updateProduct] [--resource-type product]
                               [--resource-id ID] [--outcome done|refused] [--from 2026-11-01T00:00:00Z] [--to 2026-12-01T00:00:00Z]
       npm run audit -- prune --before 2026-01-01
Everywhere: --service product`

const text = { type: 'string' } as const
const options = {
  service: { type: 'string', default: 'product' },
  expect: text,
  format: { type: 'string', default: 'ndjson' },
  actor: text,
  operation: text,
  'resource-type': text,
  'resource-id': text,
  outcome: text,
  from: text,
  to: text,
  before: text
} as const

/** Throws `UsageError` for what it does not understand. */
export function readArguments(args: readonly string[]): AuditOptions {
  const { values, positionals } = parsed(args)
  const [command, ...more] = positionals
  if ((command !== 'verify' && command !== 'export' && command !== 'prune') || more.length > 0) throw new UsageError(USAGE)
  const expected = values.expect === undefined ? undefined : linkOf(values.expect)
  if (values.expect !== undefined && (!expected || command !== 'verify'))
    throw new UsageError('--expect is for verify, and takes POSITION:HASH as a checkpoint in the log has it')
  const { format } = values
  if (format !== 'ndjson' && format !== 'csv') throw new UsageError('--format is ndjson or csv')
  const before = values.before === undefined ? undefined : timeOf('before', values.before)
  if ((command === 'prune') !== (before !== undefined))
    throw new UsageError(`prune needs --before, and nothing else takes it.\n${USAGE}`)
  if (before && before.getTime() > Date.now()) throw new UsageError('--before is in the future')
  return { command, serviceName: values.service, expected, format, filter: filterOf(values), before }
}

function filterOf(values: ReturnType<typeof parsed>['values']): AuditFilter {
  const given = {
    actor: values.actor,
    operation: values.operation,
    resourceType: values['resource-type'],
    resourceId: values['resource-id'],
    outcome: values.outcome,
    from: values.from === undefined ? undefined : timeOf('from', values.from).toISOString(),
    to: values.to === undefined ? undefined : timeOf('to', values.to).toISOString()
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as AuditFilter
}

function timeOf(name: string, value: string): Date {
  const time = new Date(value)
  if (!/^\d{4}-\d\d-\d\d/.test(value) || Number.isNaN(time.getTime()))
    throw new UsageError(`--${name} is a date or a time such as 2026-01-01T00:00:00Z, not ${value}`)
  return time
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`)
  }
}
