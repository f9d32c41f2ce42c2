/** The first page of the catalog: out of memory, and read anew each time. */
import { type Group, ratio } from '../group.ts'
import { httpCase } from '../http-case.ts'
import { peerCases } from '../peers.ts'
import { fill } from '../scene.ts'

const STATIC = 'static Fastify route, the same bytes'
const WARM = 'GET /v1/products?limit=20, warm'

export const lists: Group = {
  about: 'lists of 20 products, 32 callers',
  async open(scene) {
    const { size, peers } = scene
    const databaseUrl = await scene.createDatabase('lists')
    const shop = await scene.startShop(databaseUrl, ['product.api'])
    const uncached = await scene.startShop(databaseUrl, ['product.api'], { CACHE_BYTES_MAX: '0' })
    await fill(shop, size.products)
    const path = '/v1/products?limit=20'
    const { body } = await shop.client.call('GET', path)
    const still = await scene.startRival('static-server.ts', { BODY: JSON.stringify(body) })
    const plain = await scene.startRival('document-server.ts', { DATABASE_URL: databaseUrl })
    const { headers } = shop
    const cases = [
      { name: STATIC, url: `${still.url}/list`, pids: [still.pid] },
      { name: WARM, url: `${shop.url}${path}`, headers, against: STATIC, pids: [shop.pid] },
      { name: 'the same, uncached and fresh', url: `${uncached.url}${path}`, headers, against: STATIC, pids: [uncached.pid] },
      { name: 'Fastify with pg, keyset of 20', url: plain.url, against: STATIC, pids: [plain.pid] },
      ...peerCases(peers.lists, STATIC)
    ]
    return {
      cases: cases.map(each => httpCase(each, { seconds: size.seconds, postgresPid: scene.postgresPid })),
      figures: { warmList: ratio(WARM, STATIC) }
    }
  }
}
