/** What a process of the product role takes: to be ready, when nothing happens, and under load. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Group } from '../group.ts'
import { load } from '../load.ts'
import type { Sample } from '../measure.ts'
import { residentMiB } from '../processes.ts'
import { fill, type Scene } from '../scene.ts'
import type { Shop } from '../shop.ts'

const START = 'npm start -- product, on a migrated database'
const LISTS = 'lists of 20, in turn through 50 pages, 32 callers'
const SETTLE_MS = 3000
const LOOK_EVERY_MS = 50

export const footprint: Group = {
  about: `start and memory of a process with every role of the Product Service; idle is ${SETTLE_MS / 1000} s after ready`,
  async open(scene) {
    const databaseUrl = await scene.createDatabase('footprint')
    await using stack = new AsyncDisposableStack()
    const first = await scene.startShop(databaseUrl, ['product'], {}, stack)
    await fill(first, scene.size.products)
    const cursors = await cursorsOf(first, 50)
    const start = async (): Promise<Sample> => {
      await using stack = new AsyncDisposableStack()
      const shop = await scene.startShop(databaseUrl, ['product'], {}, stack)
      await delay(SETTLE_MS)
      return { 'start ms': shop.startMs, 'idle MiB': residentMiB(shop.pid) }
    }
    return {
      cases: [
        { name: START, shoot: start },
        { name: LISTS, shoot: () => underListLoad(scene, databaseUrl, cursors) }
      ],
      figures: {
        start: round => round(START)['start ms']! / 1000,
        idleMemory: round => round(START)['idle MiB']!,
        listMemory: round => round(LISTS)['peak MiB']!
      }
    }
  }
}

/** Where the pages of the catalog begin. */
async function cursorsOf({ client }: Shop, pages: number): Promise<string[]> {
  const cursors: string[] = []
  for (let cursor = ''; cursors.length < pages; ) {
    const query = cursor && `&cursor=${cursor}`
    const { body } = await client.call<{ nextCursor: string | null }>('GET', `/v1/products?limit=20${query}`)
    if (body.nextCursor === null) break
    cursor = body.nextCursor
    cursors.push(cursor)
  }
  return cursors
}

async function underListLoad(scene: Scene, databaseUrl: string, cursors: readonly string[]): Promise<Sample> {
  await using stack = new AsyncDisposableStack()
  const { url, headers, pid } = await scene.startShop(databaseUrl, ['product'], {}, stack)
  let peak = 0
  const looking = setInterval(() => {
    peak = Math.max(peak, residentMiB(pid))
  }, LOOK_EVERY_MS)
  const path = cursors.length > 0 ? '/v1/products?limit=20&cursor={id}' : '/v1/products?limit=20'
  const shot = await load({ url: `${url}${path}`, headers, ids: cursors }, { connections: 32, seconds: scene.size.seconds })
  clearInterval(looking)
  await delay(SETTLE_MS)
  return { 'per s': shot.requests / shot.seconds, 'peak MiB': peak, 'idle again MiB': residentMiB(pid), failed: shot.failed }
}
