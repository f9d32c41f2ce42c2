/**
 * npm run replay -- FILE.csv[.gz] [--shuffle] [--duplicate] [--delay] [--stock N | --stock-share 0.72] [--kills N] [--seed N]
 *   [--concurrency N] [--broker rabbitmq|kafka [--broker-outage SECONDS]] [--json FILE] [--url URL]
 *
 * Plays a real order history in the Online Retail layout through the whole ecosystem, over its public API and its events, and proves
 * afterwards that nothing drifted, was oversold, lost or counted twice. Exit code 0 only then. It starts an ecosystem of its own, in
 * DATA_DIR or else in a temporary folder that is gone afterwards; with --url it plays on one that runs and has no other orders
 * (DATABASE_URL names its database, BROKER_URL its broker). --broker starts a broker for this replay, and --broker-outage kills it when
 * half of the work is done, for so long.
 */
import { writeFile } from 'node:fs/promises'
import { readArguments, UsageError } from './replay/arguments.ts'
import { printed } from './replay/printed-report.ts'
import { replay } from './replay/replay.ts'

const EXIT_USAGE = 64

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))

try {
  const { json, ...options } = readArguments(process.argv.slice(2), process.env)
  const report = await replay({ ...options, progressTo: process.stderr }, stopping.signal)
  if (json) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`)
  process.stdout.write(`\n${printed(report)}`)
  process.exit(report.ok ? 0 : 1)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(error instanceof UsageError ? EXIT_USAGE : 1)
}
