/**
 * Writes docs/reference/metrics.md from the metrics of src: part of `npm run contracts`. With `--check` it writes nothing, says when
 * the page is not what the code says, and exits 1.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { registry } from '#platform/telemetry.ts'
// These add theirs when they are loaded.
import '#platform/audit/audit-watch.ts'
import '#platform/messaging/backlog.ts'
import '#platform/messaging/broker-watch.ts'
import '#platform/http/http-client-figures.ts'
import '../src/services/product/webhooks/watch-webhooks.ts'

type Metric = { name: string; help: string; type: string }

const file = 'docs/reference/metrics.md'
const path = join(import.meta.dirname, '..', file)

const metrics = (await registry.getMetricsAsJSON()) as unknown as Metric[]
const ours = metrics.filter(({ name }) => !/^(?:process|nodejs)_/.test(name)).sort((one, other) => (one.name < other.name ? -1 : 1))
const rows = ours.map(({ name, type, help }) => [`\`${name}\``, type, labelsOf(name), help])
const table = [['Metric', 'Type', 'Labels', 'Meaning'], ['---', '---', '---', '---'], ...rows]
const page = `${[
  '# Metrics',
  '',
  '<!-- Written by `npm run contracts` from src/platform: change it there. -->',
  '',
  'Every process answers `GET /metrics` in the text format of Prometheus. Labels are names from contracts and tables, never ids, so their number',
  'is bounded. Beside these there are those of Node and of the process (`nodejs_…`, `process_…`).',
  '',
  'What waits is read from the database when it is asked for, in one statement per service: it is true whichever process of the service is',
  'asked. [Alerts](../operations/alerts.md) says what to watch, and what to do then.',
  '',
  ...table.map(cells => `| ${cells.join(' | ')} |`)
].join('\n')}\n`

if (!process.argv.includes('--check')) writeFileSync(path, page)
else if (!existsSync(path) || readFileSync(path, 'utf8') !== page) {
  console.error(`${file} is not what the code says: npm run contracts`)
  process.exitCode = 1
}

function labelsOf(name: string): string {
  const { labelNames = [] } = registry.getSingleMetric(name) as unknown as { labelNames?: string[] }
  return labelNames.map(label => `\`${label}\``).join(', ')
}
