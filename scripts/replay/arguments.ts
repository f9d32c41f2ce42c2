/** The command line of the replay. */
import { parseArgs } from 'node:util'
import { type OwnBroker, ownBrokers } from './own-broker.ts'
import type { ReplayOptions } from './replay.ts'

/** What was asked cannot be done; nothing was started. */
export class UsageError extends Error {}

const options = {
  shuffle: { type: 'boolean', default: false },
  duplicate: { type: 'boolean', default: false },
  delay: { type: 'boolean', default: false },
  stock: { type: 'string' },
  'stock-share': { type: 'string' },
  kills: { type: 'string', default: '0' },
  seed: { type: 'string', default: '1' },
  concurrency: { type: 'string', default: '8' },
  broker: { type: 'string' },
  'broker-outage': { type: 'string' },
  json: { type: 'string' },
  url: { type: 'string' }
} as const

/** Throws `UsageError` for what it does not understand. `json` names the file for the report. */
export function readArguments(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>
): ReplayOptions & { json: string | undefined } {
  const { values, positionals } = parsed(args)
  const [file, ...more] = positionals
  if (!file || more.length > 0) throw new UsageError('Name one order history: npm run replay -- FILE.csv[.gz]')
  const { url, json, stock, 'stock-share': share } = values
  const eventFaults = (['shuffle', 'duplicate', 'delay'] as const).filter(fault => values[fault])
  const kills = whole('kills', values.kills, 0)
  const databaseUrl = env.DATABASE_URL || undefined
  if (url && (kills > 0 || eventFaults.length > 0))
    throw new UsageError("--kills, --shuffle, --duplicate and --delay need an ecosystem of the replay's own: leave out --url")
  if (url && !databaseUrl) throw new UsageError('--url needs DATABASE_URL beside it: events are counted in the database')
  const ownBroker = values.broker === undefined ? undefined : brokerOf(values.broker)
  const brokerUrl = env.BROKER_URL || undefined
  if (ownBroker && (url || brokerUrl))
    throw new UsageError('--broker starts a broker for this replay: leave out BROKER_URL and --url')
  const outage = values['broker-outage']
  if (outage !== undefined && !ownBroker)
    throw new UsageError('--broker-outage takes away a broker that the replay has started: name it with --broker')
  return {
    file,
    url,
    json,
    databaseUrl,
    brokerUrl,
    ownBroker,
    brokerOutageSeconds: outage === undefined ? 0 : whole('broker-outage', outage, 1),
    dataDir: env.DATA_DIR || undefined,
    eventFaults,
    opening: {
      atMost: stock === undefined ? undefined : whole('stock', stock, 0),
      share: share === undefined ? undefined : fraction('stock-share', share)
    },
    kills,
    seed: whole('seed', values.seed, 0),
    concurrency: whole('concurrency', values.concurrency, 1)
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function brokerOf(name: string): OwnBroker {
  if (Object.hasOwn(ownBrokers, name)) return name as OwnBroker
  throw new UsageError(
    `--broker must be ${Object.keys(ownBrokers).join(' or ')}, not ${name}; without it PostgreSQL carries the messages`
  )
}

function whole(name: string, text: string, atLeast: number): number {
  const number = Number(text)
  if (/^\d{1,15}$/.test(text) && number >= atLeast) return number
  throw new UsageError(`--${name} must be a whole number of at least ${atLeast}, not ${text}`)
}

function fraction(name: string, text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && number >= 0 && number <= 1) return number
  throw new UsageError(`--${name} must be a number from 0 to 1, not ${text}`)
}
