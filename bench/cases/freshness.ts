/** Whether a writer reads what it wrote: on the process that it wrote to, and on another one, while both answer others. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Group } from '../group.ts'
import { load } from '../load.ts'
import { median, type Sample } from '../measure.ts'
import { fill } from '../scene.ts'
import type { Shop } from '../shop.ts'

const WRITERS = 20
const READERS = 16
/** As many as stand on the first page of the list. */
const PRODUCTS = 20
const ASK_AGAIN_MS = 5
const GIVE_UP_MS = 10_000

const CASE = `${WRITERS} writers, ${READERS} readers of each process`

export const freshness: Group = {
  about:
    'a change on one process, read there at once by id and in a list, and on another until it is seen; staleness is counted from its reply',
  async open(scene) {
    const databaseUrl = await scene.createDatabase('freshness')
    const own = await scene.startShop(databaseUrl, ['product.api'])
    const other = await scene.startShop(databaseUrl, ['product.api'])
    const ids = await fill(own, PRODUCTS)
    const shoot = async (): Promise<Sample> => {
      const until = performance.now() + scene.size.seconds * 1000
      const seen: Seen = { writes: 0, staleOwn: 0, stalenessMs: [] }
      const reading = [own, other].flatMap(({ url, headers }) =>
        ['/v1/products/{id}', '/v1/products?limit=20'].map(path =>
          load({ url: `${url}${path}`, headers, ids }, { connections: READERS / 2, seconds: scene.size.seconds })
        )
      )
      const writing = Array.from({ length: WRITERS }, async (_, writer) => {
        const mine = ids.filter((_, index) => index % WRITERS === writer)
        for (let turn = 0; performance.now() < until; turn++) {
          const written = await writeAndLook(own, mine[turn % mine.length]!, seen)
          // Half of them go on at once: it takes the others about a second to see a change elsewhere.
          if (writer % 2 === 0) seen.stalenessMs.push(await behind(other, written))
        }
      })
      const readers = await Promise.all(reading)
      await Promise.all(writing)
      return {
        'reads per s': readers.reduce((sum, { requests, seconds }) => sum + requests / seconds, 0),
        writes: seen.writes,
        'stale on its own': seen.staleOwn,
        'median ms behind': median(seen.stalenessMs),
        'worst ms behind': Math.max(...seen.stalenessMs),
        failed: readers.reduce((sum, { failed }) => sum + failed, 0)
      }
    }
    return {
      cases: [{ name: CASE, warmUp: shoot, shoot }],
      figures: {
        ownWrites: round => round(CASE)['stale on its own']!,
        othersWrites: round => round(CASE)['worst ms behind']! / 1000
      },
      worst: ['ownWrites', 'othersWrites']
    }
  }
}

type Seen = { writes: number; staleOwn: number; stalenessMs: number[] }
type Product = { productId: string; title: string }

let serial = 0

type Written = { productId: string; title: string; at: number }

async function writeAndLook({ client }: Shop, productId: string, seen: Seen): Promise<Written> {
  const title = `Changed ${++serial}`
  const path = `/v1/products/${productId}`
  const { status } = await client.call('PATCH', path, { body: { title } })
  if (status !== 200) throw new Error(`a change was refused: ${status}`)
  const at = performance.now()
  seen.writes++
  const [alone, listed] = await Promise.all([
    client.call<Product>('GET', path),
    client.call<{ data: Product[] }>('GET', '/v1/products?limit=20')
  ])
  if (alone.body.title !== title) seen.staleOwn++
  if (listed.body.data.find(product => product.productId === productId)?.title !== title) seen.staleOwn++
  return { productId, title, at }
}

/** How long after a change another process was still asked in vain. */
async function behind({ client }: Shop, { productId, title, at }: Written): Promise<number> {
  for (let behindMs = 0; ; ) {
    const askedAt = performance.now()
    const { body } = await client.call<Product>('GET', `/v1/products/${productId}`)
    if (body.title === title || behindMs > GIVE_UP_MS) return behindMs
    behindMs = askedAt - at
    await delay(ASK_AGAIN_MS)
  }
}
