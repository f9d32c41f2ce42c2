import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import type { Product } from '#contracts/resources/product.ts'
import type { Reading } from '#platform/http/handlers.ts'
import { openLog } from '#platform/log.ts'
import { readEventLog } from '#platform/messaging/event-log.ts'
import { startRelay } from '#platform/messaging/relay.ts'
import { openWakeup } from '#platform/messaging/wakeup.ts'
import { START } from '#platform/text/records.ts'
import { gathered, pieces } from '../../../../test/support/chunks.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { eventually } from '../../../../test/support/world.ts'
import { createCategory } from '../catalog/create-category.ts'
import { createProduct } from '../catalog/create-product.ts'
import { deleteProduct } from '../catalog/delete-product.ts'
import { updateProduct } from '../catalog/update-product.ts'
import { readProductCsv } from '../imports/spreadsheets/product-csv.ts'
import { openCatalogSnapshot, SNAPSHOTS_MAX } from './catalog-snapshot.ts'
import { exportProducts } from './export-products.ts'
import { exportProductsAsCsv } from './export-products-as-csv.ts'

let db: ProductDatabase
let relay: AsyncDisposable
before(async () => {
  db = await openProductDatabase()
  const { database } = db
  const log = openLog({ LOG_LEVEL: 'error', LOG_FORMAT: 'json' })
  relay = startRelay({ database, outbox: openWakeup(database, 'outbox'), eventLog: openWakeup(database, 'event log'), log })
  const top = await db.write(createCategory, { body: { name: 'Shoes > boots' } })
  const category = await db.write(createCategory, { body: { name: 'Trail', parentId: top.categoryId } })
  for (let number = 0; number < 250; number++) await create(number, [category.categoryId])
})
after(async () => {
  await relay[Symbol.asyncDispose]()
  await db[Symbol.asyncDispose]()
})

function create(number: number, categoryIds: string[] = []): Promise<Product> {
  const variants = ['41', '42'].map(size => ({
    sku: `SHOE-${number}-${size}`,
    options: { Size: size },
    barcode: `040123456${number}`,
    prices: [
      { amount: '89.90', currency: 'EUR' },
      { amount: '1200', currency: 'JPY' }
    ]
  }))
  const about = { title: `=Shoe ${number}`, description: 'For\ntrails, "light"', attributes: { tags: ['a', 'b'], rank: number } }
  return db.write(createProduct, { body: { ...about, categoryIds, externalId: `erp-${number}`, variants } })
}

async function catalog(): Promise<Map<string, Product>> {
  const rows = await db.database.query<{ document: string }>('select document from products order by product_id')
  return byId(rows.map(({ document }) => JSON.parse(document)))
}

const byId = (products: readonly Product[]) => new Map(products.map(product => [product.productId, product]))
const reading = () => ({ database: db.database }) as Reading

test('what is exported is of one moment, whatever is changed, made and deleted while it is read', async () => {
  const then = await catalog()
  const unread = [...then.keys()]
  await using snapshot = await openCatalogSnapshot(db.database)
  const exported: Product[] = []
  for await (const batch of snapshot.products()) {
    exported.push(...batch.map(({ product }) => product))
    const [changed, deleted] = unread.splice(-2)
    await db.write(updateProduct, { params: { productId: changed! }, body: { title: 'Changed' } })
    await db.write(deleteProduct, { params: { productId: deleted! } })
    await create(1000 + exported.length)
  }
  assert.deepEqual(byId(exported), then)
  assert.notDeepEqual(await catalog(), then)
})

test('with the events after its position an export is the catalog, whatever was under way when it was opened', async () => {
  const known = [...(await catalog()).keys()]
  const stopping = new AbortController()
  const writing = [0, 1, 2].map(part => write(known.slice(part * 50, part * 50 + 50), stopping.signal))
  for (let round = 0; round < 4; round++) {
    const [{ position: reached } = { position: 0 }] = await db.database.query<{ position: number }>(
      'select position from event_log_head'
    )
    await eventually(
      () => readEventLog(db.database, reached + 10, 1),
      events => events.length > 0
    )
    await using snapshot = await openCatalogSnapshot(db.database)
    const exported = (await gathered(snapshot.products())).flat().map(({ product }) => product)
    if (round === 3) {
      stopping.abort()
      await Promise.all(writing)
    }
    snapshots.push({ position: snapshot.position, exported })
  }
  const events = await allEvents()
  for (const { position, exported } of snapshots) {
    const followed = byId(exported)
    for (const { position: place, body } of events) {
      const { eventType, productId, version } = body
      const held = followed.get(productId)?.version ?? 0
      if (eventType === 'ProductDeleted' && place > position) followed.delete(productId)
      if (eventType !== 'ProductCreated' && eventType !== 'ProductUpdated') continue
      if (place > position && version > held) followed.set(productId, toProduct(body))
      // What earlier events tell of is in the export, unless it was deleted since.
      if (place <= position && version > held) assert.ok(isDeleted(events, productId), `${productId} ${version}`)
    }
    assert.deepEqual(followed, await catalog())
  }
})

const snapshots: { position: number; exported: Product[] }[] = []

/** Changes, makes and deletes products until it is told to stop. */
async function write(known: readonly string[], signal: AbortSignal): Promise<void> {
  for (let count = 0; !signal.aborted; count++) {
    const productId = known[count % known.length]!
    await db.write(updateProduct, { params: { productId }, body: { title: `Changed ${count}` } })
    if (count % 5 > 0) continue
    const created = await create(++made)
    if (count % 10 === 0) await db.write(deleteProduct, { params: { productId: created.productId } })
  }
}

let made = 10_000

// biome-ignore lint/suspicious/noExplicitAny: an event of any type.
type Event = { position: number; body: any }

/** All events, once none waits. */
async function allEvents(): Promise<Event[]> {
  await eventually(
    () => db.database.query<{ waiting: number }>('select count(*) as waiting from outbox'),
    ([row]) => row!.waiting === 0
  )
  const events = await readEventLog(db.database, 0, 100_000)
  return events.map(({ position, body }) => ({ position, body: JSON.parse(body) }))
}

function isDeleted(events: readonly Event[], productId: string): boolean {
  return events.some(({ body }) => body.eventType === 'ProductDeleted' && body.productId === productId)
}

function toProduct({
  eventId,
  eventType,
  eventVersion,
  source,
  sequence,
  timestamp,
  changedFields,
  ...product
}: Event['body']): Product {
  return product
}

const textOf = async (chunks: AsyncIterable<string>) => (await gathered(chunks)).join('')

test('a line of NDJSON is the product as it is served, with the names of its categories', async () => {
  const { headers, chunks } = await exportProducts(reading())
  const lines = (await textOf(chunks))
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.match(headers?.['event-position'] ?? '', /^[1-9][0-9]*$/)
  const products = await catalog()
  assert.deepEqual(
    lines,
    [...products.values()].map(product =>
      product.categoryIds.length === 0 ? product : { ...product, categoryPaths: [['Shoes > boots', 'Trail']] }
    )
  )
})

test('the rows of CSV say the same', async () => {
  const { chunks } = await exportProductsAsCsv(reading())
  const file = Buffer.from(await textOf(chunks))
  const records = await gathered(readProductCsv(pieces(file, 65_536), { from: START, currency: null }))
  const products = [...(await catalog()).values()]
  assert.deepEqual(
    records.map(({ value, faults }) => [faults, (value as Product).productId, (value as Product).variants]),
    products.map(({ productId, variants }) => [
      [],
      productId,
      variants.map(({ productId, version, createdAt, updatedAt, attributes, ...variant }) => variant)
    ])
  )
})

test('there are so many exports at once and no more; one that is given up makes room', async () => {
  const opened = await Promise.all(Array.from({ length: SNAPSHOTS_MAX }, () => openCatalogSnapshot(db.database)))
  await assert.rejects(openCatalogSnapshot(db.database), error => error instanceof Problem && error.code === 'too-many-requests')
  for await (const batch of opened[0]!.products()) {
    assert.equal(batch.length, 100)
    break
  }
  await Promise.all(opened.map(snapshot => snapshot[Symbol.asyncDispose]()))
  for (let count = 0; count <= SNAPSHOTS_MAX; count++) {
    // What a HEAD request does.
    const { chunks } = await exportProducts(reading())
    await chunks[Symbol.asyncIterator]().return?.()
  }
})

test('an export that nobody reads is ended by the server, and makes room', async () => {
  const opened = await Promise.all(Array.from({ length: SNAPSHOTS_MAX }, () => openCatalogSnapshot(db.database)))
  await db.database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'product.export' and state = 'idle in transaction'`
  )
  await eventually(
    async () => {
      const found = await openCatalogSnapshot(db.database).catch(() => undefined)
      await found?.[Symbol.asyncDispose]()
      return found
    },
    found => found !== undefined
  )
  await assert.rejects(gathered(opened[0]!.products()))
  await Promise.all(opened.map(snapshot => snapshot[Symbol.asyncDispose]()))
})
