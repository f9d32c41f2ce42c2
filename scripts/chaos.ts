/**
 * npm run chaos -- --document | [--minutes 30] [--seed N] [--only F3,F7] [--brokers postgres,kafka] [--report chaos-report.json]
 *
 * Runs rows of the fault matrix (test/chaos/scenarios.ts) and storms of their faults until the time is over, on servers that it starts. What
 * it draws follows from the seed, which it prints. Ends with 1 when an invariant was broken; the report says which, where and how often.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { withMatrix } from '../test/chaos/matrix-document.ts'
import { runScenario } from '../test/chaos/run-scenario.ts'
import { openServers } from '../test/chaos/servers.ts'
import { readArguments, Unusable } from './chaos/arguments.ts'
import { openDraw } from './chaos/draw.ts'
import { describe, type Run, reportOf } from './chaos/report.ts'

const EXIT_USAGE = 64
const DOCUMENT = new URL('../docs/explanation/fault-matrix.md', import.meta.url)

try {
  process.exitCode = await chaos(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Unusable ? error.message : error)
  process.exitCode = error instanceof Unusable ? EXIT_USAGE : 1
}
process.exit()

async function chaos(args: string[]): Promise<number> {
  if (args.join() === '--document') {
    await writeFile(DOCUMENT, withMatrix(await readFile(DOCUMENT, 'utf8')))
    return 0
  }
  const options = readArguments(args)
  console.log(`seed ${options.seed}: ${options.minutes} minutes on ${options.brokers.join(', ')}`)
  const startedAt = new Date()
  const endsAt = startedAt.getTime() + options.minutes * 60_000
  const draw = openDraw(options)
  const runs: Run[] = []
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())
  await using stack = new AsyncDisposableStack()
  const servers = new Map(options.brokers.map(broker => [broker, stack.use(openServers(broker))]))

  while (Date.now() < endsAt && !stopping.signal.aborted) {
    const { broker, scenario } = draw.next()
    const began = Date.now()
    const faults = scenario.faults.map(({ says }) => says)
    const drawn = { number: runs.length + 1, id: scenario.id, title: scenario.title, broker, faults }
    try {
      runs.push({ ...drawn, outcome: await servers.get(broker)!.use(started => runScenario(scenario, started)) })
    } catch (error) {
      runs.push({ ...drawn, error: error instanceof Error ? error.message : String(error) })
    }
    console.log(describe(runs.at(-1)!, began - startedAt.getTime()))
  }
  const report = await reportOf({ ...options, startedAt, runs })
  await writeFile(options.report, `${JSON.stringify(report, null, 2)}\n`)
  const { broken, failed } = report.totals
  console.log(
    `${runs.length} runs, ${broken} violations, ${failed} runs that did not come to their end; seed ${options.seed}: ${options.report}`
  )
  return broken + failed === 0 ? 0 : 1
}
