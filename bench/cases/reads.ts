/** A product by its id: out of memory, and read anew each time. */
import { cpu, type Group, ratio } from '../group.ts'
import { httpCase } from '../http-case.ts'
import { peerCases } from '../peers.ts'
import { fill } from '../scene.ts'

const STATIC = 'static Fastify route, the same bytes'
const WARM = 'GET /v1/products/{id}, warm'
const UNCACHED = 'GET /v1/products/{id}, uncached and fresh'

export const reads: Group = {
  about: 'products by id, in turn through up to 1,000 of them, 32 callers',
  async open(scene) {
    const { size, peers } = scene
    const databaseUrl = await scene.createDatabase('reads')
    const shop = await scene.startShop(databaseUrl, ['product.api'])
    const uncached = await scene.startShop(databaseUrl, ['product.api'], { CACHE_BYTES_MAX: '0' })
    const ids = await fill(shop, size.products)
    const { body } = await shop.client.call('GET', `/v1/products/${ids[0]}`)
    const still = await scene.startRival('static-server.ts', { BODY: JSON.stringify(body) })
    const plain = await scene.startRival('document-server.ts', { DATABASE_URL: databaseUrl })
    const { headers } = shop
    const cases = [
      { name: STATIC, url: `${still.url}/{id}`, ids, pids: [still.pid] },
      { name: WARM, url: `${shop.url}/v1/products/{id}`, ids, headers, against: STATIC, pids: [shop.pid] },
      { name: UNCACHED, url: `${uncached.url}/v1/products/{id}`, ids, headers, against: STATIC, pids: [uncached.pid] },
      { name: 'Fastify with pg, a prepared SELECT', url: `${plain.url}/{id}`, ids, against: STATIC, pids: [plain.pid] },
      ...peerCases(peers.reads, STATIC)
    ]
    return {
      cases: cases.map(each => httpCase(each, { seconds: size.seconds, postgresPid: scene.postgresPid })),
      figures: { warmRead: ratio(WARM, STATIC), uncachedRead: ratio(UNCACHED, STATIC), warmReadCpu: cpu(WARM) }
    }
  }
}
