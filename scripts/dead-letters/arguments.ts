/** The command line for dead letters. */
import { parseArgs } from 'node:util'
import type { Credentials } from '#platform/http/http-client.ts'

/** What was asked cannot be done; nothing was touched. */
export class UsageError extends Error {}

export type Command = 'list' | 'show' | 'replay' | 'discard'

/** As the API names them. */
export type Filter = Partial<Record<'consumer' | 'eventType' | 'reason' | 'key' | 'receivedFrom' | 'receivedTo', string>>

export type DeadLetterOptions = {
  command: Command
  ids: readonly string[]
  filter: Filter
  status: string
  /** How many are listed. */
  limit: number
  note: string | undefined
  dryRun: boolean
  json: boolean
  url: string
  credentials: Credentials
}

const USAGE = `Usage: npm run dead-letters -- list [filters] [--status open] [--limit 20]
       npm run dead-letters -- show ID
       npm run dead-letters -- replay ID… | filters | --all  [--dry-run]
       npm run dead-letters -- discard ID… | filters | --all  --note WHY [--dry-run]
Filters: --consumer product.order-events --event-type OrderCreated --reason retries-exhausted --key order-1
         --received-from 2026-11-27T00:00:00Z --received-to 2026-11-28T00:00:00Z
Everywhere: --json, --url http://localhost:8080`

const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const
const options = {
  consumer: text,
  'event-type': text,
  reason: text,
  key: text,
  'received-from': text,
  'received-to': text,
  status: { type: 'string', default: 'open' },
  limit: { type: 'string', default: '20' },
  note: text,
  all: flag,
  'dry-run': flag,
  json: flag,
  url: { type: 'string', default: 'http://localhost:8080' }
} as const

const commands: readonly string[] = ['list', 'show', 'replay', 'discard'] satisfies Command[]
const statuses = ['open', 'replayed', 'discarded', 'any']

/** Throws `UsageError` for what it does not understand. */
export function readArguments(args: readonly string[], env: Readonly<Record<string, string | undefined>>): DeadLetterOptions {
  const { values, positionals } = parsed(args)
  const [command, ...ids] = positionals
  if (!command || !commands.includes(command)) throw new UsageError(USAGE)
  const filter = filterOf(values)
  const filtered = Object.keys(filter).length > 0
  if (command === 'show' && ids.length !== 1) throw new UsageError('show takes one id; npm run dead-letters -- list has them')
  if (command === 'list' && ids.length > 0) throw new UsageError('list takes filters and no ids; show ID shows one')
  if (command === 'replay' || command === 'discard') {
    if (ids.length === 0 && !filtered && !values.all)
      throw new UsageError(
        `Say which: ids, a filter such as --consumer product.order-events, or --all for every open one.\n${USAGE}`
      )
    if (ids.length > 0 && (filtered || values.all)) throw new UsageError('Either ids or filters, not both')
    if (ids.length > 0 && values['dry-run']) throw new UsageError('--dry-run is for filters; show ID shows one')
  }
  if (command === 'discard' && !values['dry-run'] && !values.note?.trim())
    throw new UsageError('Say with --note why they are given up: it is kept with them')
  if (!statuses.includes(values.status)) throw new UsageError(`--status is one of ${statuses.join(', ')}, not ${values.status}`)
  if (!/^[1-9]\d{0,5}$/.test(values.limit)) throw new UsageError(`--limit is a number from 1 on, not ${values.limit}`)
  if (!/^https?:\/\//.test(values.url) || !URL.canParse(values.url))
    throw new UsageError(`--url must be an address, such as http://localhost:8080, not ${values.url}`)
  const url = values.url.replace(/\/+$/, '')
  return {
    command: command as Command,
    ids,
    filter,
    status: values.status,
    limit: Number(values.limit),
    note: values.note,
    dryRun: values['dry-run'],
    json: values.json,
    url,
    credentials: {
      tokenUrl: env.TOKEN_URL || `${url}/oauth/token`,
      clientId: env.CLIENT_ID || 'admin',
      clientSecret: env.CLIENT_SECRET || 'admin-secret'
    }
  }
}

function filterOf(values: ReturnType<typeof parsed>['values']): Filter {
  const given = {
    consumer: values.consumer,
    eventType: values['event-type'],
    reason: values.reason,
    key: values.key,
    receivedFrom: values['received-from'],
    receivedTo: values['received-to']
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Filter
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`)
  }
}
