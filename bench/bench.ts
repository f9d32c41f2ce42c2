/**
 * `npm run bench [-- --rounds 3 --seconds 4 --json FILE]`: our figures beside what they are to be compared with, in one run. Machines are
 * shared and noisy: read the ratios. Everything is started for the run, on loopback, and stopped after it.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type Case, median } from './load.ts'
import { measure } from './measure.ts'
import { onPgbench } from './pgbench.ts'
import { openScene, relayed, type Shop } from './scene.ts'

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
const { postgresPid } = scene
const transaction = { method: 'POST' as const, url: scene.transactionUrl, body: {}, pids: [scene.transactionPid] }
const reserve = ({ url, token, variantId, pid }: Shop) => ({
  method: 'POST' as const,
  url: `${url}/v1/reservations`,
  token,
  body: { orderId: '{id}', items: [{ variantId, quantity: 1 }] },
  pids: [pid]
})

// The API role in a process of its own: its events wait in the outbox, as those of the transaction that it is compared with do.
const api = await scene.openShop('api', ['product.api'])
const sideBySide: Case[] = [
  { name: 'static Fastify route, the same bytes', url: await scene.serveBytes(api), pids: [scene.staticPid()] },
  {
    name: 'GET /v1/products/{id}, warm',
    url: `${api.url}/v1/products/${api.productId}`,
    token: api.token,
    pids: [api.pid],
    against: 0,
    floor: 0.6
  },
  { name: 'a transaction per request, one SKU, 32 callers', ...transaction },
  { name: 'POST /v1/reservations, one SKU, 32 callers', ...reserve(api), against: 2, floor: 5 },
  { name: 'a transaction per request, one SKU, 256 callers', ...transaction, connections: 256 },
  { name: 'POST /v1/reservations, one SKU, 256 callers', ...reserve(api), connections: 256, against: 4, floor: 5 }
]
console.log(`${sideBySide.length} cases, ${rounds} rounds of ${seconds} s each`)
const rows = await measure(sideBySide, { rounds, seconds, postgresPid })

const pgbench = await onPgbench(scene, seconds)
const pgbenchRates: number[] = []
for (let round = 0; pgbench && round < rounds; round++) pgbenchRates.push(await pgbench())

// Every role in one process: the same cores relay, log and publish every event meanwhile, and clean up after it.
const whole = await scene.openShop('whole', ['product'])
const together: Case[] = [
  { name: 'a transaction per request, one SKU, 32 callers', ...transaction },
  { name: 'POST /v1/reservations, relay and broker too, 32', ...reserve(whole), against: 0 },
  { name: 'a transaction per request, one SKU, 256 callers', ...transaction, connections: 256 },
  { name: 'POST /v1/reservations, relay and broker too, 256', ...reserve(whole), connections: 256, against: 2 }
]
console.log(`${together.length} cases with every role in one process`)
rows.push(...(await measure(together, { rounds, seconds, postgresPid, afterEach: () => relayed(whole) })))

console.table(rows)
console.log(
  pgbench
    ? `pgbench's own transaction (one row, no HTTP, no outbox, no idempotency), 32 clients: ${Math.round(median(pgbenchRates))}/s`
    : 'pgbench is not installed (PGBENCH names it)'
)
const books = await Promise.all([api, whole].map(({ client }) => client.call<Books>('GET', '/v1/inventory/reconciliation')))
for (const { body } of books) console.log(`afterwards: drift ${body.drift}, oversold ${body.oversold}`)
for (const row of rows) {
  if (row.floor !== undefined && row.ratio! < row.floor) console.log(`below its floor: ${row.case}: ${row.ratio} < ${row.floor}`)
}
if (values.json) await writeFile(values.json, `${JSON.stringify({ rows, pgbench: pgbenchRates }, null, 2)}\n`)

type Books = { drift: number; oversold: number }
