/**
 * `npm run bench [-- --rounds 3 --seconds 4 --json FILE]`: our figures beside what they are to be compared with, in one run, its cases in
 * rotating order. Machines are shared and noisy: read the ratios. Everything is started for the run, on loopback, and stopped after it.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type Case, cpuSecondsOf, median, shoot } from './load.ts'
import { onPgbench } from './pgbench.ts'
import { openScene, type Shop } from './scene.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    json: { type: 'string' }
  }
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)

await using scene = await openScene()
const pgbench = await onPgbench(scene, seconds)

const { api, whole } = scene
const read = { url: `${api.url}/v1/products/${api.productId}`, token: api.token, pids: [api.pid] }
const reserve = ({ url, token, variantId, pid }: Shop) => ({
  method: 'POST' as const,
  url: `${url}/v1/reservations`,
  token,
  body: { orderId: '{id}', items: [{ variantId, quantity: 1 }] },
  pids: [pid]
})
const transaction = { method: 'POST' as const, url: scene.transactionUrl, body: {}, pids: [scene.transactionPid] }
const cases: Case[] = [
  { name: 'static Fastify route, the same bytes', url: scene.staticUrl, pids: [scene.staticPid] },
  { name: 'GET /v1/products/{id}, warm', ...read, against: 0, floor: 0.6 },
  { name: 'a transaction per request, one SKU, 32 callers', ...transaction },
  { name: 'POST /v1/reservations, one SKU, 32 callers', ...reserve(api), against: 2, floor: 5 },
  { name: 'the same, relay and broker in the process too', ...reserve(whole), against: 2 },
  { name: 'a transaction per request, one SKU, 256 callers', ...transaction, connections: 256 },
  { name: 'POST /v1/reservations, one SKU, 256 callers', ...reserve(api), connections: 256, against: 5, floor: 5 },
  { name: 'the same, relay and broker in the process too', ...reserve(whole), connections: 256, against: 5 }
]

console.log(`${cases.length} cases, ${rounds} rounds of ${seconds} s each, after a warm-up of 2 s`)
for (const each of cases) await shoot(each, 2)
const rates: number[][] = cases.map(() => [])
const details = cases.map(() => ({
  cpuMs: [] as number[],
  postgresMs: [] as number[],
  p50: [] as number[],
  p99: [] as number[],
  failed: 0
}))
const pgbenchRates: number[] = []

for (let round = 0; round < rounds; round++) {
  for (let turn = 0; turn < cases.length; turn++) {
    const index = (turn + round) % cases.length
    const each = cases[index]!
    const [cpu, postgres] = [cpuSecondsOf(each.pids), cpuSecondsOf([scene.postgresPid])]
    const result = await shoot(each, seconds)
    rates[index]!.push(result.requests / result.seconds)
    const detail = details[index]!
    detail.cpuMs.push(((cpuSecondsOf(each.pids) - cpu) * 1000) / result.requests)
    detail.postgresMs.push(((cpuSecondsOf([scene.postgresPid]) - postgres) * 1000) / result.requests)
    detail.p50.push(result.p50)
    detail.p99.push(result.p99)
    detail.failed += result.failed
    console.log(`  round ${round + 1}/${rounds}  ${each.name}: ${Math.round(rates[index]!.at(-1)!)}/s`)
  }
  if (pgbench) {
    pgbenchRates.push(await pgbench())
    console.log(`  round ${round + 1}/${rounds}  pgbench, one row, 32 clients: ${Math.round(pgbenchRates.at(-1)!)}/s`)
  }
}

const rows = cases.map((each, index) => {
  const ratio =
    each.against === undefined ? undefined : median(rates[index]!.map((rate, round) => rate / rates[each.against!]![round]!))
  const detail = details[index]!
  return {
    case: each.name,
    'per s': Math.round(median(rates[index]!)),
    min: Math.round(Math.min(...rates[index]!)),
    max: Math.round(Math.max(...rates[index]!)),
    ratio: ratio && Number(ratio.toFixed(2)),
    floor: each.floor,
    'CPU ms': Number(median(detail.cpuMs).toFixed(3)),
    'PG CPU ms': Number(median(detail.postgresMs).toFixed(3)),
    'p50 ms': median(detail.p50),
    'p99 ms': median(detail.p99),
    failed: detail.failed
  }
})
console.table(rows)
if (pgbench) {
  const [at32, at256] = [3, 6].map(index => median(rates[index]!.map((rate, round) => rate / pgbenchRates[round]!)).toFixed(1))
  console.log(
    `pgbench's own transaction on one row, 32 clients: ${Math.round(median(pgbenchRates))}/s; ours against it: ${at32} × at 32, ${at256} × at 256`
  )
} else {
  console.log('pgbench is not installed (PGBENCH names it): compared with a transaction per request over HTTP only')
}
const books = await Promise.all(
  [api, whole].map(
    async ({ client }) => (await client.call<{ drift: number; oversold: number }>('GET', '/v1/inventory/reconciliation')).body
  )
)
console.log(
  `afterwards: drift ${books.map(({ drift }) => drift).join(' and ')}, oversold ${books.map(({ oversold }) => oversold).join(' and ')}`
)
const missed = rows.filter(row => row.floor !== undefined && row.ratio! < row.floor)
for (const row of missed) console.log(`below its floor: ${row.case}: ${row.ratio} < ${row.floor}`)
if (values.json)
  await writeFile(
    values.json,
    `${JSON.stringify({ rows, pgbench: pgbenchRates, books: books.map(({ drift, oversold }) => ({ drift, oversold })) }, null, 2)}\n`
  )
