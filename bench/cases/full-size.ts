/** A catalog of 100,000 products and 300,000 variants: whether depth, filters and size cost what they should, which is nothing. */
import { productApi } from '#contracts/http/product-api.ts'
import type { Cases, Group, Round } from '../group.ts'
import { load } from '../load.ts'
import type { Case, Sample } from '../measure.ts'
import { residentMiB } from '../processes.ts'
import { saying } from '../progress.ts'
import { fill } from '../scene.ts'
import type { Shop } from '../shop.ts'

const PAGE = 20
const DEEP = 1000
const SKU = 'one SKU'
const WALK = 'memory after all of it'

export const fullSize: Group = {
  about: `lists of ${PAGE} one after another, uncached, in milliseconds each`,
  async open(scene): Promise<Cases> {
    const { products, variants } = scene.size.fullCatalog
    const databaseUrl = await scene.createDatabase('full_size')
    const shop = await scene.startShop(databaseUrl, ['product.api'], { CACHE_BYTES_MAX: '0' })
    await fill(shop, products, variants)
    const { sorts, filters } = orders()
    for (const sort of sorts) await timeOf(shop, listOf(sort))
    const before = residentMiB(shop.pid)
    const deep = Math.min(DEEP, Math.floor(products / PAGE))
    const cursors = new Map<string, string>()
    for (const sort of sorts) cursors.set(sort, await cursorAt(shop, sort, deep))
    const ask = (name: string, path: string): Case => ({ name, warmUp: () => timeOf(shop, path), shoot: () => timeOf(shop, path) })
    const first = (sort: string) => `page 1 by ${sort}`
    const far = (sort: string) => `page ${deep.toLocaleString('en-US')} by ${sort}`
    const cases = [
      ...sorts.flatMap(sort => [ask(first(sort), listOf(sort)), ask(far(sort), `${listOf(sort)}&cursor=${cursors.get(sort)}`)]),
      ...filters.map(filter => ask(`page 1 with ${filter}`, `/v1/products?limit=${PAGE}&${filter}`)),
      ask(SKU, `/v1/products?sku=FULL-${Math.floor(products / 2)}-1`),
      { name: WALK, shoot: async () => ({ 'MiB before': before, 'MiB after': residentMiB(shop.pid) }) }
    ]
    return {
      cases,
      figures: {
        deepPage: round => Math.max(...sorts.map(sort => msOf(round, far(sort)) / msOf(round, first(sort)))),
        skuSearch: round => msOf(round, SKU) / msOf(round, first(sorts[0]!)),
        flatMemory: round => round(WALK)['MiB after']! / round(WALK)['MiB before']!
      }
    }
  }
}

const msOf = (round: Round, name: string) => round(name)['p50 ms']!
/** By price there is an order for each currency. */
const listOf = (sort: string) => `/v1/products?limit=${PAGE}&sort=${sort}${sort.includes('price') ? '&currency=EUR' : ''}`

/** What to ask of the list beside its pages. */
const filters = [
  'status=draft',
  'brand=Brand%2050',
  'inStock=true',
  'minPrice=100.00&currency=EUR',
  'updatedSince=2020-01-01T00:00:00Z'
]

/** Every order that the contract knows, and the filters. */
function orders(): { sorts: string[]; filters: string[] } {
  const { query } = productApi.operations.listProducts
  const parameters = query.properties as Record<string, { enum?: string[] }>
  return {
    sorts: parameters.sort?.enum ?? [],
    filters: filters.filter(filter => filter.split('=')[0]! in parameters)
  }
}

/** Where page `page` begins, by walking there. */
async function cursorAt({ client }: Shop, sort: string, page: number): Promise<string> {
  let at = 1
  let cursor = ''
  using _ = saying(`walking by ${sort}`, () => `page ${at}`)
  for (; at < page; at++) {
    const { body } = await client.call<{ nextCursor: string }>('GET', `${listOf(sort)}${cursor && `&cursor=${cursor}`}`)
    cursor = body.nextCursor
  }
  return cursor
}

const SECONDS = 1

/** One caller: what a request takes, not how many there can be. */
async function timeOf({ url, headers }: Shop, path: string): Promise<Sample> {
  const shot = await load({ url: `${url}${path}`, headers }, { connections: 1, seconds: SECONDS })
  return { 'p50 ms': shot.p50, 'p99 ms': shot.p99, failed: shot.failed }
}
