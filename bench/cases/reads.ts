/** A product by its id: out of memory, and read anew each time. */
import { cpu, type Group, ratio } from '../group.ts'
import { httpCase } from '../http-case.ts'
import { peerCases } from '../peers.ts'
import { fill } from '../scene.ts'

const STATIC = 'static Fastify route, the same bytes'
const WARM = 'GET /v1/products/{id}, warm'
const UNCACHED = 'GET /v1/products/{id}, uncached and fresh'

/** A gateway wants to know where everybody is; only the Product Service is asked, and without limit. */
const unlimitedGateway = {
  ...Object.fromEntries(['ORDER', 'SEARCH', 'USER'].map(name => [`${name}_SERVICE_URL`, 'http://127.0.0.1:9/v1'])),
  RATE_LIMIT_CLIENT_PER_MINUTE: '0'
}

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
    const behind = await scene.startShop(databaseUrl, ['product.api', 'gateway'], unlimitedGateway)
    const plain = await scene.startRival('document-server.ts', { DATABASE_URL: databaseUrl })
    const { headers } = shop
    const { status, body: issued } = await shop.client.call<{ key: string }>('POST', '/v1/api-keys', {
      body: { name: 'bench', scopes: ['catalog:read'] }
    })
    if (status !== 201) throw new Error(`an API key: ${status} ${JSON.stringify(issued)}`)
    const cases = [
      { name: STATIC, url: `${still.url}/{id}`, ids, pids: [still.pid] },
      { name: WARM, url: `${shop.url}/v1/products/{id}`, ids, headers, against: STATIC, pids: [shop.pid] },
      {
        name: 'the same, by API key',
        url: `${shop.url}/v1/products/{id}`,
        ids,
        headers: { 'x-api-key': issued.key },
        against: STATIC,
        pids: [shop.pid]
      },
      {
        name: 'the same, through the gateway in its process',
        url: `${behind.gatewayUrl}/v1/products/{id}`,
        ids,
        headers,
        against: STATIC,
        pids: [behind.pid]
      },
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
