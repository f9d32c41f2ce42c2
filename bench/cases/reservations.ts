/** Holding stock: everybody the same SKU, and everybody another one. */
import { setTimeout as delay } from 'node:timers/promises'
import { cpu, type Group, ratio } from '../group.ts'
import { type HttpCase, httpCase } from '../http-case.ts'
import { peerCases } from '../peers.ts'
import { createStock, pgbenchCase } from '../rivals/pgbench.ts'
import type { Shop } from '../shop.ts'
import { analyze, booksOf, stock } from '../stocked.ts'

const HOT = 'POST /v1/reservations, one SKU, 32 callers'
const HOT_256 = 'POST /v1/reservations, one SKU, 256 callers'

export const reservations: Group = {
  about: 'reservations with an Idempotency-Key; events in the outbox unless it says that they are published meanwhile',
  async open(scene) {
    const { size } = scene
    const shop = await scene.startShop(await scene.createDatabase('reservations'), ['product.api'])
    const whole = await scene.startShop(await scene.createDatabase('relayed'), ['product'])
    const [hot, relayedHot] = await Promise.all([stock(shop, 1), stock(whole, 1)])
    const many = await stock(shop, size.skus)
    await createStock(scene, size.skus)
    const row = pgbenchCase(scene, 'one row, 32 clients', 1)
    const rows = pgbenchCase(scene, `${size.skus.toLocaleString('en-US')} rows, 32 clients`, size.skus)
    const plain = await scene.startRival('transaction-server.ts', { DATABASE_URL: scene.postgresUrl })
    const manySkus = `POST /v1/reservations, ${size.skus.toLocaleString('en-US')} SKUs, 200 callers`
    const hotCases: HttpCase[] = [
      { ...reserve(shop, hot), name: HOT, against: row.name },
      { ...reserve(shop, hot), name: HOT_256, against: row.name, connections: 256 }
    ]
    const manyCase: HttpCase = { ...reserve(shop, many), name: manySkus, against: rows.name, connections: 200 }
    const informing: HttpCase[] = [
      ...[32, 256].map(connections => ({
        ...reserve(whole, relayedHot),
        name: `the same with relay and broker in the process, one SKU, ${connections} callers`,
        against: row.name,
        connections,
        afterEach: () => relayed(whole)
      })),
      { ...plainTransaction(plain), name: 'Fastify, a transaction per request, one row, 32 callers', against: row.name },
      ...peerCases(scene.peers.reservations, row.name)
    ]
    const http = (each: HttpCase) => httpCase(each, { seconds: size.seconds, postgresPid: scene.postgresPid })
    return {
      // What is compared stands side by side.
      cases: [row, ...hotCases.map(http), rows, http(manyCase), ...informing.map(http)],
      figures: {
        hotReservations: ratio(HOT, row.name),
        hotReservations256: ratio(HOT_256, row.name),
        hotReservationCpu: cpu(HOT),
        manyReservations: ratio(manySkus, rows.name),
        manyReservationsP99: round => round(manySkus)['p99 ms']!
      },
      warmedUp: () => Promise.all([shop, whole].map(analyze)),
      afterwards: async () => [`reservations afterwards: ${await booksOf(shop)}; with relay and broker: ${await booksOf(whole)}`]
    }
  }
}

/** Holds a unit of each of some variants in turn, each for another order. */
export function reserve({ url, headers, pid }: Shop, variantIds: readonly string[], ttlSeconds?: number): Omit<HttpCase, 'name'> {
  return {
    url: `${url}/v1/reservations`,
    headers: { ...headers, 'idempotency-key': '{uuid}' },
    body: { orderId: '{uuid}', items: [{ variantId: '{id}', quantity: 1 }], ...(ttlSeconds && { ttlSeconds }) },
    ids: variantIds,
    pids: [pid]
  }
}

function plainTransaction({ url, pid }: { url: string; pid: number }): Omit<HttpCase, 'name'> {
  return { url, headers: { 'idempotency-key': '{uuid}' }, body: {}, pids: [pid] }
}

/** Waits until every event of a shop is published. */
async function relayed({ url }: Shop): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const waiting = [...metrics.matchAll(/^messaging_(?:outbox_pending|outlet_lag)\{service="product"\} (\d+)/gm)]
    if (waiting.every(([, count]) => count === '0')) return
    await delay(100)
  }
}
