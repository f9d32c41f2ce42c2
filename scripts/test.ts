import { glob, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { startTestServer } from '../test/support/test-server.ts'
import { startBrokers } from './test/run-brokers.ts'

/**
 * npm test [-- [file, folder or glob]… [--test-name-pattern=…] [--test-skip-pattern=…] [--test-only] [--test-timeout=ms] [--test-concurrency=n]]
 *
 * Runs the tests, all of them by default, against one PostgreSQL, one RabbitMQ and one Kafka that live as long as the run (or those of
 * TEST_DATABASE_URL, TEST_AMQP_URL and TEST_KAFKA_URL). Where a broker cannot be had, its tests are skipped; with CI set the run then fails.
 */

/** For one test; a test that needs longer says so itself. */
const TEST_TIMEOUT_MS = 120_000
/** For the run, longer than any one test may take: when nothing was reported for this long, what still runs is stopped and fails. */
const SILENCE_MS = 300_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'test-name-pattern': { type: 'string', multiple: true, default: [] },
    'test-skip-pattern': { type: 'string', multiple: true, default: [] },
    'test-only': { type: 'boolean', default: false },
    'test-timeout': { type: 'string', default: String(TEST_TIMEOUT_MS) },
    'test-concurrency': { type: 'string', default: String(Math.max(2, availableParallelism())) }
  }
})

const files = await testFiles(positionals.length > 0 ? positionals : ['src', 'test'])
console.log(`${files.length} test files:\n${files.map(file => `  ${file}`).join('\n')}`)

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort(new Error(signal)))

{
  await using brokers = await startBrokers(files, error => stopping.abort(error))
  await using server = process.env.TEST_DATABASE_URL ? undefined : await startTestServer()
  if (server) process.env.TEST_DATABASE_URL = server.url
  process.exitCode = await runTests(files)
  for (const sentence of brokers.missing) console.error(`\n${sentence}`)
  if (process.env.CI && brokers.missing.length > 0) process.exitCode = 1
}
if (stopping.signal.aborted) console.error(`Stopped: ${stopping.signal.reason.message}`)
process.exit()

async function runTests(files: string[]): Promise<number> {
  let succeeded = false
  const silence = setTimeout(() => stopping.abort(new Error(`no test reported anything for ${SILENCE_MS / 1000} s`)), SILENCE_MS)
  const events = run({
    files: files.map(file => resolve(file)),
    concurrency: Number(values['test-concurrency']),
    timeout: Number(values['test-timeout']),
    only: values['test-only'],
    testNamePatterns: values['test-name-pattern'],
    testSkipPatterns: values['test-skip-pattern'],
    signal: stopping.signal
  })
  events.on('data', () => silence.refresh())
  // The summary without a file is that of the whole run.
  events.on('test:summary', summary => {
    if (summary.file === undefined) succeeded = summary.success
  })
  for await (const line of events.compose(new spec())) process.stdout.write(line)
  clearTimeout(silence)
  return succeeded && !stopping.signal.aborted ? 0 : 1
}

async function testFiles(patterns: string[]): Promise<string[]> {
  const files = new Set<string>()
  for (const pattern of patterns) {
    const before = files.size
    for await (const file of glob((await isFolder(pattern)) ? `${pattern}/**/*.test.ts` : pattern)) files.add(file)
    if (files.size === before) throw new Error(`No test file matches ${pattern}`)
  }
  return [...files].sort()
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    stats => stats.isDirectory(),
    () => false
  )
}
