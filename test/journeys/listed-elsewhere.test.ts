import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { HttpClient } from '#platform/http/http-client.ts'
import { eventually, openWorld, type World } from '../support/world.ts'

let world: World
/** Two processes of the Product Service on one database. */
let [here, elsewhere]: HttpClient[] = []
before(async () => {
  world = await openWorld()
  const issuer = await world.start(['user', 'product.api'])
  const settings = { ISSUER_URL: `${issuer.url}/oauth`, JWKS_URL: `${new URL(issuer.urls.user!).origin}/oauth/jwks` }
  const other = await world.start(['product.api'], settings)
  const tokenUrl = `${new URL(issuer.urls.user!).origin}/oauth/token`
  ;[here, elsewhere] = [issuer, other].map(({ urls }) => world.client(new URL(urls.product!).origin, tokenUrl))
})
after(() => world[Symbol.asyncDispose]())

type Listed = { data: { productId: string }[] }

const BEHIND_MS_MAX = 1000

test('what one process has answered for is listed there at once, and by another process at most a second later, however often it is asked', async () => {
  let listing = true
  const list = (client: HttpClient) => client.call<Listed>('GET', '/v1/products?sort=-createdAt&limit=100')
  const asked: { atMs: number; productIds: Set<string> }[] = []
  const readers = Array.from({ length: 4 }, async () => {
    while (listing) {
      const atMs = performance.now()
      const { body } = await list(elsewhere!)
      asked.push({ atMs, productIds: new Set(body.data.map(({ productId }) => productId)) })
    }
  })
  const created: { productId: string; atMs: number }[] = []
  const writer = async () => {
    for (let i = 0; i < 40; i++) {
      const body = { title: 'New', externalId: randomUUID() }
      const { productId } = (await here!.call<{ productId: string }>('POST', '/v1/products', { body })).body
      created.push({ productId, atMs: performance.now() })
      assert.ok((await list(here!)).body.data.some(product => product.productId === productId))
    }
    const last = created.at(-1)!
    await eventually(
      async () => asked.at(-1),
      reply => reply !== undefined && reply.atMs > last.atMs + BEHIND_MS_MAX
    )
  }
  await writer().finally(() => {
    listing = false
  })
  await Promise.all(readers)
  for (const { productId, atMs } of created) {
    const late = asked.find(reply => reply.atMs > atMs + BEHIND_MS_MAX && !reply.productIds.has(productId))
    assert.equal(late, undefined, `${productId} was not listed ${late && late.atMs - atMs} ms later`)
  }
  assert.ok(asked.length > 100, `asked ${asked.length} times`)
})
