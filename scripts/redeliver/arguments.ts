/** The command line of redelivery. */
import { parseArgs } from 'node:util'

/** What was asked cannot be done; nothing was touched. */
export class UsageError extends Error {}

export type RedeliverOptions = {
  consumer: string
  /** Whose log is read, where the consumer reads the topics of several. */
  service: string | undefined
  from: number
  /** Without one, to the end of the log as it is now. */
  to: number | undefined
  types: string[] | undefined
  key: string | undefined
  dryRun: boolean
}

const USAGE =
  'Usage: npm run redeliver -- <service>.<subscription> --from POSITION [--to POSITION] [--types A,B] [--key KEY] [--service SERVICE] [--dry-run]'

const options = {
  from: { type: 'string' },
  to: { type: 'string' },
  types: { type: 'string' },
  key: { type: 'string' },
  service: { type: 'string' },
  'dry-run': { type: 'boolean', default: false }
} as const

/** Throws `UsageError` for what it does not understand. */
export function readArguments(args: readonly string[]): RedeliverOptions {
  const { values, positionals } = parsed(args)
  const [consumer, ...more] = positionals
  if (!consumer || more.length > 0) throw new UsageError(`Name one consumer, such as search.index.\n${USAGE}`)
  if (values.from === undefined)
    throw new UsageError(`Say from which position on; --from 1 is the first event of the log.\n${USAGE}`)
  const from = positionOf('--from', values.from)
  const to = values.to === undefined ? undefined : positionOf('--to', values.to)
  if (to !== undefined && to < from) throw new UsageError(`--to ${to} is before --from ${from}`)
  const types = values.types?.split(',').map(type => type.trim())
  if (types?.some(type => type === ''))
    throw new UsageError('--types is a list of event types, such as ProductUpdated,ProductArchived')
  return { consumer, service: values.service, from, to, types, key: values.key, dryRun: values['dry-run'] }
}

function positionOf(name: string, text: string): number {
  const position = Number(text)
  if (!/^\d+$/.test(text) || position < 1 || !Number.isSafeInteger(position))
    throw new UsageError(`${name} must be a position of the event log, a whole number from 1 on, not ${text}`)
  return position
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`)
  }
}
