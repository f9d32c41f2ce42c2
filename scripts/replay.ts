/**
 * npm run replay -- FILE.csv[.gz] [--shuffle] [--duplicate] [--delay] [--stock N | --stock-share 0.72] [--kills N] [--seed N]
 *   [--concurrency N] [--json FILE] [--url URL]
 *
 * Plays a real order history in the Online Retail layout through the whole ecosystem, over its public API and its events, and proves
 * afterwards that nothing drifted, was oversold, lost or counted twice. Exit code 0 only then. It starts an ecosystem of its own, in
 * DATA_DIR or else in a temporary folder that is gone afterwards; with --url it plays on one that runs and has no other orders
 * (DATABASE_URL names its database).
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { printed } from './replay/printed-report.ts'
import { replay } from './replay/replay.ts'

const EXIT_USAGE = 64

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))

try {
  const { values, options } = readArguments()
  const report = await replay({ ...options, progressTo: process.stderr }, stopping.signal)
  if (values.json) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`)
  process.stdout.write(`\n${printed(report)}`)
  process.exit(report.ok ? 0 : 1)
} catch (error) {
  const usage = error instanceof RangeError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS')
  console.error(error instanceof Error ? error.message : error)
  process.exit(usage ? EXIT_USAGE : 1)
}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      shuffle: { type: 'boolean', default: false },
      duplicate: { type: 'boolean', default: false },
      delay: { type: 'boolean', default: false },
      stock: { type: 'string' },
      'stock-share': { type: 'string' },
      kills: { type: 'string', default: '0' },
      seed: { type: 'string', default: '1' },
      concurrency: { type: 'string', default: '8' },
      json: { type: 'string' },
      url: { type: 'string' }
    }
  })
  const [file, ...more] = positionals
  if (!file || more.length > 0) throw new RangeError('Name one order history: npm run replay -- FILE.csv[.gz]')
  const { url } = values
  const eventFaults = (['shuffle', 'duplicate', 'delay'] as const).filter(fault => values[fault])
  const kills = whole('kills', values.kills, 0)
  if (url && (kills > 0 || eventFaults.length > 0))
    throw new RangeError("--kills, --shuffle, --duplicate and --delay need an ecosystem of the replay's own: leave out --url")
  const options = {
    file,
    url,
    databaseUrl: process.env.DATABASE_URL || undefined,
    dataDir: process.env.DATA_DIR || undefined,
    eventFaults,
    opening: {
      atMost: values.stock === undefined ? undefined : whole('stock', values.stock, 0),
      share: values['stock-share'] === undefined ? undefined : fraction('stock-share', values['stock-share'])
    },
    kills,
    seed: whole('seed', values.seed, 0),
    concurrency: whole('concurrency', values.concurrency, 1)
  }
  return { values, options }
}

function whole(name: string, text: string, atLeast: number): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= atLeast) return number
  throw new RangeError(`--${name} must be a whole number of at least ${atLeast}, not ${text}`)
}

function fraction(name: string, text: string): number {
  const number = Number(text)
  if (number >= 0 && number <= 1) return number
  throw new RangeError(`--${name} must be a number from 0 to 1, not ${text}`)
}
