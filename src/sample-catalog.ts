/** A small catalog to look at, put in through the public API, once: every request carries a key of its own. */
import { readFile } from 'node:fs/promises'
import { openHttpClient } from '#platform/http/http-client.ts'
import type { Log } from '#platform/log.ts'
import { developmentClients } from './services/user/development-clients.ts'

type SampleCatalog = { categories: { slug: string }[]; products: { slug: string; category: string }[] }

export async function loadSampleCatalog(url: string, log: Log): Promise<void> {
  const { clientId, secret } = developmentClients.find(client => client.clientId === 'admin')!
  await using client = openHttpClient({ url, credentials: { tokenUrl: `${url}/oauth/token`, clientId, clientSecret: secret } })
  const { body } = await client.call<{ data: unknown[] }>('GET', '/v1/products?limit=1')
  if (body.data.length > 0) return

  const sample: SampleCatalog = JSON.parse(await readFile(new URL('../examples/sample-catalog.json', import.meta.url), 'utf8'))
  const categoryIds = new Map<string, string>()
  for (const category of sample.categories) {
    const reply = await client.call<{ categoryId: string }>('POST', '/v1/categories', {
      body: category,
      idempotencyKey: `sample-${category.slug}`
    })
    categoryIds.set(category.slug, reply.body.categoryId)
  }
  for (const { category, ...product } of sample.products) {
    const categoryIdsOfProduct = [categoryIds.get(category)].filter(id => id !== undefined)
    await client.call('POST', '/v1/products', {
      body: { ...product, categoryIds: categoryIdsOfProduct },
      idempotencyKey: `sample-${product.slug}`
    })
  }
  log.info({ unit: 'sample', products: sample.products.length }, 'the sample catalog is in')
}
