/**
 * Prometheus' own evaluation of alert rules. Its `promtool` is the one of TEST_PROMTOOL or of the path, else Debian's, downloaded (19 MB)
 * and unpacked beside the packages without being installed.
 */
import { execFile } from 'node:child_process'
import { access, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const rules = join(root, 'deploy/prometheus/alerts.yaml')
const cached = join(root, 'node_modules/.cache/promtool')

const found = await find()

/** Why tests of alerts are skipped; false where they are not. In CI that is a failure. */
export const noPromtool = found ? false : 'promtool is not here and could not be downloaded: on Debian, apt-get install prometheus'
if (noPromtool && process.env.CI) throw new Error(noPromtool)

async function find(): Promise<string | undefined> {
  const installed = (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, 'promtool'))
  for (const program of [process.env.TEST_PROMTOOL, ...installed, cached]) if (program && (await isThere(program))) return program
  return download().catch(() => undefined)
}

async function download(): Promise<string> {
  const folder = await mkdtemp(`${cached}-`)
  try {
    await run('apt-get', ['download', 'prometheus'], { cwd: folder, timeout: 120_000 })
    const [archive] = await readdir(folder)
    await run('dpkg', ['-x', archive!, '.'], { cwd: folder, timeout: 60_000 })
    await rename(join(folder, 'usr/bin/promtool'), cached)
    return cached
  } finally {
    await rm(folder, { recursive: true })
  }
}

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false
  )
}

/**
 * What a metrics endpoint said when all was well, for ten minutes, and what it says since. Counters that have grown go on growing at that
 * pace, a step a minute; those that were not there before stay as they are.
 */
export type Scrapes = { before: string; since: string }

/** Rejects, with what promtool says, unless exactly these alerts fire eight minutes later. */
export async function assertFiring(alerts: readonly string[], scrapes: Scrapes, minutes = 8): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'promtool-'))
  const file = join(folder, 'test.json')
  const test = {
    interval: '1m',
    input_series: seriesOf(scrapes, minutes),
    promql_expr_test: [
      {
        expr: 'group by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: `${10 + minutes}m`,
        exp_samples: alerts.map(alert => ({ labels: `{alertname="${alert}"}`, value: 1 }))
      }
    ]
  }
  try {
    await writeFile(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '1m', tests: [test] }))
    await run(found!, ['test', 'rules', file], { timeout: 60_000 })
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${stdout}${stderr}` || String(error))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Checks the rules as Prometheus does when it loads them. */
export async function checkRules(): Promise<string> {
  return (await run(found!, ['check', 'rules', rules], { timeout: 60_000 })).stdout
}

function seriesOf({ before, since }: Scrapes, minutes: number): { series: string; values: string }[] {
  const [earlier, later] = [valuesOf(before), valuesOf(since)]
  return [...new Set([...earlier.keys(), ...later.keys()])].map(series => {
    const [was, is] = [earlier.get(series), later.get(series)]
    const grows = /^\w+_(?:total|bucket|count|sum)\b/.test(series) && was !== undefined && is !== undefined
    const since = Array.from({ length: minutes + 1 }, (_, minute) =>
      grows ? Number(is) + minute * (Number(is) - Number(was)) : is
    )
    return { series, values: [...Array(10).fill(was), ...since].map(value => value ?? '_').join(' ') }
  })
}

function valuesOf(text: string): Map<string, string> {
  const ours = text.split('\n').filter(line => /^(?:messaging|tracing|http_client|audit|webhook)_/.test(line))
  return new Map(ours.map(line => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]))
}
