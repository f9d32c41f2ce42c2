/** Giving stock back: by call, and when the deadline has passed. What is released or expires was held just before, unmeasured. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Group, ratio } from '../group.ts'
import { timed } from '../http-case.ts'
import type { Sample } from '../measure.ts'
import { startCpu } from '../processes.ts'
import { saying } from '../progress.ts'
import type { Scene } from '../scene.ts'
import type { Shop } from '../shop.ts'
import { analyze, booksOf, stock } from '../stocked.ts'
import { reserve } from './reservations.ts'

const RESERVE = 'POST /v1/reservations, one SKU, 256 callers'
const RELEASE = 'POST /v1/reservations/{id}/release, one SKU, 256 callers'
const EXPIRE = 'expiry by the timer, one SKU'
const connections = 256

export const releases: Group = {
  about: 'releases and expiry of holds on one SKU, against holding them',
  async open(scene) {
    const { seconds } = scene.size
    const databaseUrl = await scene.createDatabase('releases')
    const shop = await scene.startShop(databaseUrl, ['product.api'])
    const [held, lapsing] = await stock(shop, 2)
    const pids = [[shop.pid], [scene.postgresPid]]
    const hold = async (variantId: string, ttlSeconds?: number) => {
      const ids: string[] = []
      const onBody = (body: string) => ids.push(idOf(body))
      const sample = await timed(reserve(shop, [variantId], ttlSeconds), { connections, seconds, onBody }, pids)
      return { ids, sample }
    }
    async function release(): Promise<Sample> {
      const { ids } = await hold(held!)
      const url = `${shop.url}/v1/reservations/{id}/release`
      const headers = { ...shop.headers, 'idempotency-key': '{uuid}' }
      return timed({ url, headers, body: {}, ids }, { connections, seconds, once: true }, pids)
    }
    async function expire(): Promise<Sample> {
      // Whole before the first of them has passed.
      const ttlSeconds = Math.ceil(seconds) + 2
      const { ids } = await hold(lapsing!, ttlSeconds)
      using _ = saying(`waiting for ${ids.length.toLocaleString('en-US')} deadlines`)
      await delay(ttlSeconds * 1000)
      return swept(scene, shop, databaseUrl, lapsing!)
    }
    return {
      cases: [
        { name: RESERVE, warmUp: () => release(), shoot: async () => (await hold(held!)).sample },
        { name: RELEASE, against: RESERVE, shoot: release },
        { name: EXPIRE, against: RESERVE, shoot: expire }
      ],
      figures: { releases: ratio(RELEASE, RESERVE), expiry: ratio(EXPIRE, RESERVE) },
      warmedUp: () => analyze(shop),
      afterwards: async () => [`releases afterwards: ${await booksOf(shop)}`]
    }
  }
}

const MARK = '"reservationId":"'

function idOf(body: string): string {
  const at = body.indexOf(MARK) + MARK.length
  return body.slice(at, at + 36)
}

const LOOK_EVERY_MS = 10

/** Starts the timers in a process of their own and follows the counter from its first change down to 0, a while at most. */
async function swept(scene: Scene, shop: Shop, databaseUrl: string, variantId: string): Promise<Sample> {
  const reserved = async () => {
    const rows = await shop.database.query<{ reserved: number }>('select reserved from stock_levels where variant_id = $1', [
      variantId
    ])
    return rows[0]!.reserved
  }
  const all = await reserved()
  await using stack = new AsyncDisposableStack()
  const timers = await scene.startShop(databaseUrl, ['product.timers'], {}, stack)
  while ((await reserved()) === all) await delay(LOOK_EVERY_MS)
  const [since, first] = [performance.now(), await reserved()]
  const cpu = startCpu(timers.pid, scene.postgresPid)
  let left = first
  while (left > 0 && performance.now() - since < scene.size.seconds * 1000) {
    await delay(LOOK_EVERY_MS)
    left = await reserved()
  }
  return { 'per s': (first - left) / ((performance.now() - since) / 1000), ...cpu(Math.max(1, first - left)) }
}
