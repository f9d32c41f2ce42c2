import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import {
  countsOf,
  errorsOf,
  importFile,
  readImport,
  runAll,
  sendFile,
  someProduct,
  someProducts
} from '../../../../test/support/imports.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { createCategory } from '../catalog/create-category.ts'
import { createProduct } from '../catalog/create-product.ts'
import { updateProduct } from '../catalog/update-product.ts'
import { cancelImport } from './cancel-import.ts'
import { runImports } from './run-imports.ts'

let db: ProductDatabase
let name: string
let number = 0
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())
beforeEach(async () => {
  name = `T${++number}`
  await db.events()
})

const productOf = async (externalId: string) => {
  const [row] = await db.database.query<{ document: string }>('select document from products where external_id = $1', [externalId])
  return row && JSON.parse(row.document)
}
const typesOf = (events: { eventType: string }[]) =>
  [...Map.groupBy(events, event => event.eventType)].map(([type, found]) => `${found.length} ${type}`).sort()

/** Every row of the catalog and the transaction that wrote it. */
async function rowsWritten(): Promise<string> {
  const tables = [
    'products',
    'variants',
    'product_categories',
    'product_prices',
    'price_changes',
    'stock_items',
    'stock_levels',
    'stock_ledger',
    'categories',
    'outbox'
  ]
  const counts = tables.map(table => `(select coalesce(sum(xmin::text::bigint), 0)::text || ' ' || count(*) from ${table})`)
  const [row] = await db.database.query<{ written: string }>(`select concat_ws(',', ${counts.join(', ')}) as written`)
  return row!.written
}

describe('a file of products', () => {
  test('is brought in: each product is told once, with its whole state, and its opening stock', async () => {
    const products = someProducts(3, name)
    const { counts, errors } = await importFile(db.database, products)
    assert.deepEqual([counts, errors], [[3, 0, 0, 0], []])
    const events = await db.events()
    assert.deepEqual(typesOf(events), ['1 ProductImportCompleted', '3 ProductCreated', '9 InventoryUpdated'])
    const product = await productOf(`erp-${name}-0`)
    const { eventId, eventType, eventVersion, source, sequence, timestamp, ...told } = events.find(
      event => event.externalId === product.externalId
    )!
    assert.deepEqual([told, sequence], [product, 1])
    assert.deepEqual(product.options, [{ name: 'Size', values: ['S', 'M', 'L'] }])
    const [completed] = events.filter(event => event.eventType === 'ProductImportCompleted')
    assert.deepEqual(
      [completed!.created, completed!.updated, completed!.unchanged, completed!.failed, completed!.dryRun, completed!.errorsUrl],
      [3, 0, 0, 0, false, null]
    )
  })

  test('that is sent again changes nothing, and nothing is written or announced', async () => {
    const products = someProducts(900, name)
    await importFile(db.database, products)
    const before = await rowsWritten()
    await db.events()
    const { counts } = await importFile(db.database, products)
    assert.deepEqual(counts, [0, 0, 900, 0])
    assert.deepEqual(typesOf(await db.events()), ['1 ProductImportCompleted'])
    const [was, is] = [before, await rowsWritten()].map(rows => rows.split(',').slice(0, -1))
    assert.deepEqual(is, was)
  })

  test('that differs in some products changes those, and tells prices that were there before', async () => {
    const products = someProducts(5, name)
    await importFile(db.database, products)
    await db.events()
    const changed = products.map((product, index) => ({
      ...product,
      ...(index === 1 ? { brand: 'Southfold' } : {}),
      ...(index === 2
        ? {
            variants: [
              {
                sku: `${name}-2-S`,
                prices: [
                  { amount: '79.90', currency: 'EUR' },
                  { amount: '9900', currency: 'JPY' }
                ]
              },
              {
                sku: `${name}-2-XL`,
                options: { Size: 'XL' },
                prices: [{ amount: '99', currency: 'EUR' }],
                inventory: { onHand: 4 }
              }
            ]
          }
        : {})
    }))
    const { counts } = await importFile(db.database, changed)
    assert.deepEqual(counts, [0, 2, 3, 0])
    const events = await db.events()
    assert.deepEqual(typesOf(events), ['1 InventoryUpdated', '1 ProductImportCompleted', '2 PriceUpdated', '2 ProductUpdated'])
    const third = await productOf(`erp-${name}-2`)
    assert.deepEqual(
      third.variants.map((variant: { sku: string; prices: { amount: string }[] }) => [
        variant.sku,
        variant.prices.map(({ amount }) => amount)
      ]),
      [
        [`${name}-2-S`, ['79.90', '9900']],
        [`${name}-2-M`, ['89.90']],
        [`${name}-2-L`, ['89.90']],
        [`${name}-2-XL`, ['99.00']]
      ]
    )
    assert.deepEqual(
      events.filter(event => event.eventType === 'ProductUpdated').map(event => event.changedFields),
      [['brand'], ['options', 'variants']]
    )
  })

  test('finds products by external id, then by id, then by SKU, and never takes one for two', async () => {
    const [a, b] = await Promise.all(
      ['A', 'B'].map(each =>
        db.write(createProduct, { body: { title: each, externalId: `${name}-${each}`, variants: [{ sku: `${name}-${each}` }] } })
      )
    )
    const { counts, errors } = await importFile(db.database, [
      { externalId: `${name}-A`, variants: [{ sku: `${name}-B` }] },
      { variants: [{ sku: `${name}-A` }, { sku: `${name}-B` }] },
      { externalId: `${name}-A`, productId: b!.productId },
      { externalId: `${name}-A`, brand: 'By external id' },
      { externalId: `${name}-renamed`, variants: [{ sku: `${name}-B` }], brand: 'By SKU' }
    ])
    assert.deepEqual(errors, ['1 #/variants/0/sku sku-taken', '2 #/variants/1/sku sku-taken', '3 #/productId several-products'])
    assert.deepEqual(counts, [0, 2, 0, 3])
    assert.equal((await productOf(`${name}-A`)).productId, a!.productId)
    assert.equal((await productOf(`${name}-renamed`)).brand, 'By SKU')
    assert.deepEqual((await importFile(db.database, [{ productId: b!.productId, brand: 'By id' }])).counts, [0, 1, 0, 0])
  })

  test('is told what is wrong with each product, and takes the others', async () => {
    const { counts, errors } = await importFile(db.database, [
      someProduct(`${name}-0`),
      { externalId: `${name}-untitled` },
      {
        title: 'Twice',
        variants: [
          { sku: `${name}-x`, options: { S: '1' } },
          { sku: `${name}-x`, options: { S: '2' } }
        ]
      },
      { title: 'Same options', variants: [{ sku: `${name}-y` }, { sku: `${name}-z` }] },
      { title: '', colour: 'red', variants: [{ sku: `${name}-w`, prices: [{ amount: '1.234', currency: 'EUR' }] }] },
      { title: 'Nowhere', categoryIds: ['01990000-0000-7000-8000-000000000000'] },
      '{"title": "half',
      { title: 'No variant', status: 'active' },
      { title: 'Slug', slug: `thing-${name.toLowerCase()}-0` },
      someProduct(`${name}-1`)
    ])
    assert.deepEqual(counts, [2, 0, 0, 8])
    assert.deepEqual(errors, [
      '2 #/title required',
      '3 #/variants/1/sku duplicate-sku',
      '4 # duplicate-options',
      '5 #/colour additionalProperties',
      '5 #/title minLength',
      '5 #/title pattern',
      '5 #/variants/0/prices/0/amount pattern',
      '6 #/categoryIds/0 reference-not-found',
      '7 # malformed-json',
      '8 # variant-required',
      '9 #/slug slug-taken'
    ])
  })

  test('names the earlier line of a product that stands in it twice, near or far', async () => {
    const products = someProducts(2500, name)
    const again = { externalId: `erp-${name}-0`, brand: 'Other' }
    const { counts, errors } = await importFile(db.database, [
      ...products.slice(0, 2),
      again,
      ...products.slice(2),
      again,
      { title: 'By SKU', variants: [{ sku: `${name}-2499-S` }] }
    ])
    assert.deepEqual(errors, ['3 # duplicate-in-file', '2502 # duplicate-in-file', '2503 # duplicate-in-file'])
    assert.deepEqual(counts, [2500, 0, 0, 3])
    const details = await db.database.query<{ detail: string }>(
      'select detail from import_errors where code = $1 order by import_id desc, number limit 3',
      ['duplicate-in-file']
    )
    assert.deepEqual(
      details.map(({ detail }) => detail),
      [1, 1, 2501].map(line => `line ${line} of the file is the same product`)
    )
    assert.equal((await productOf(`erp-${name}-0`)).brand, 'Northfold')
  })

  test('tells ten thousand bad rows one by one, in their order', async () => {
    const lines = Array.from({ length: 10_000 }, (_, index) =>
      index % 100 === 7 ? someProduct(`${name}-${index}`) : { title: '' }
    )
    const { counts, errors } = await importFile(db.database, lines)
    assert.deepEqual(counts, [100, 0, 0, 9900])
    const faulty = lines.flatMap((line, index) => ('externalId' in line ? [] : [index + 1]))
    assert.deepEqual([...new Set(errors.map(error => Number(error.split(' ')[0])))], faulty)
  })

  test('of titles that are the same gives each product a slug of its own', async () => {
    const products = Array.from({ length: 850 }, (_, index) => ({ title: `Same ${name}`, externalId: `${name}-${index}` }))
    assert.deepEqual((await importFile(db.database, products)).counts, [850, 0, 0, 0])
    const [row] = await db.database.query('select count(distinct slug) as slugs from products where external_id like $1', [
      `${name}-%`
    ])
    assert.deepEqual(row, { slugs: 850 })
  })

  test('that nothing can be read of fails, and says why', async () => {
    const importId = await sendFile(db.database, 'what,ever\n1,2\n', { mediaType: 'text/csv' })
    await runAll(db.database)
    const { status, reason } = await readImport(db.database, importId)
    assert.deepEqual([status, reason?.code], ['failed', 'unknown-columns'])
  })

  test('with nothing in it is completed', async () => {
    assert.deepEqual((await importFile(db.database, '')).counts, [0, 0, 0, 0])
  })

  test('of archived products brings them in archived', async () => {
    await importFile(db.database, [someProduct(name, { status: 'archived' })])
    assert.equal((await productOf(`erp-${name}`)).status, 'archived')
    const { errors } = await importFile(db.database, [{ externalId: `erp-${name}`, status: 'draft' }])
    assert.deepEqual(errors, ['1 # illegal-transition'])
  })
})

describe('a dry run', () => {
  test('counts and tells what the real run does, and keeps nothing', async () => {
    const products = someProducts(2500, name)
    await importFile(db.database, products.slice(0, 100))
    const lines = [
      ...products.map((product, index) => (index % 10 === 0 ? { ...product, brand: 'Southfold' } : product)),
      { externalId: `erp-${name}-140`, title: 'Again' },
      { title: 'New again', variants: [{ sku: `${name}-149-S` }] },
      { title: 'Slug', slug: `thing-${name.toLowerCase()}-131` },
      { title: '' },
      { title: 'In a new category', externalId: `${name}-c`, categoryPaths: [[`${name} top`, 'below']] }
    ]
    const before = await rowsWritten()
    await db.events()
    const dry = await importFile(db.database, lines, { dryRun: true })
    const events = await db.events()
    assert.deepEqual([typesOf(events), events[0]!.dryRun], [['1 ProductImportCompleted'], true])
    const [was, is] = [before, await rowsWritten()].map(rows => rows.split(',').slice(0, -1))
    assert.deepEqual(is, was)
    const real = await importFile(db.database, lines)
    assert.deepEqual([dry.counts, dry.errors], [real.counts, real.errors])
    assert.deepEqual(real.counts, [2401, 10, 90, 4])
    assert.equal(real.errors.length, 5)
  })
})

describe('categories by their names', () => {
  test('are created once, by whoever needs them first', async () => {
    const { categoryId } = await db.write(createCategory, { body: { name: `${name} Shoes` } })
    const paths = (count: number, prefix: string) =>
      someProducts(count, `${name}${prefix}`).map((product, index) => ({
        ...product,
        categoryPaths: [[`${name} Shoes`, `Kind ${index % 7}`, 'Deep']]
      }))
    const other = db.write(createCategory, { body: { name: 'Kind 3', parentId: categoryId } }).catch(() => undefined)
    await importFile(db.database, paths(500, 'a'))
    await other
    const { counts } = await importFile(db.database, paths(500, 'b'))
    assert.deepEqual(counts, [500, 0, 0, 0])
    const rows = await db.database.query<{ name: string; count: number }>(
      'select name, count(*) from categories where path @> array[$1::uuid] and cardinality(path) = 2 group by name order by name',
      [categoryId]
    )
    // The one that a user made at the same time may have come second.
    assert.deepEqual(
      rows.filter(row => row.name !== 'Kind 3').map(row => row.count),
      Array(6).fill(1)
    )
    assert.equal(
      (await db.events()).filter(event => event.eventType === 'CategoryCreated').length,
      rows.reduce((sum, row) => sum + row.count, 0) + 7 + 1
    )
  })

  test('of a product that is refused are not created', async () => {
    await importFile(db.database, [{ title: 'x', status: 'active', categoryPaths: [[`${name} Nothing`]] }])
    assert.deepEqual(await db.database.query('select from categories where name = $1', [`${name} Nothing`]), [])
  })
})

describe('others who write at the same time', () => {
  test('lose nothing, and neither does the import', async () => {
    const products = someProducts(1200, name)
    await importFile(db.database, products)
    const rows = await db.database.query<{ product_id: string }>('select product_id from products where external_id like $1', [
      `erp-${name}-%`
    ])
    const importId = await sendFile(
      db.database,
      products.map(product => ({ ...product, brand: 'Southfold' }))
    )
    let over = false
    let edits = 0
    const editing = [0, 1, 2].map(async editor => {
      for (let i = editor; !over || i < 300; i += 3) {
        const productId = rows[i % rows.length]!.product_id
        await db.write(updateProduct, { params: { productId }, body: { attributes: { edited: i } } })
        edits++
      }
    })
    await runAll(db.database)
    over = true
    await Promise.all(editing)
    assert.deepEqual(await countsOf(db.database, importId), [0, 1200, 0, 0])
    const [row] = await db.database.query(
      `select count(*) filter (where brand = 'Southfold') as imported, count(*) filter (where attributes ? 'edited') as edited,
         count(*) filter (where sequence <> version) as odd from products where external_id like $1`,
      [`erp-${name}-%`]
    )
    assert.deepEqual(row, { imported: 1200, edited: Math.min(edits, 1200), odd: 0 })
  })

  test('who take a SKU first keep it, and only that line is told', async () => {
    const lines = someProducts(30, name)
    const importId = await sendFile(db.database, lines)
    const taking = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const other = db.database.transact(async tx => {
      const input = db.input<Parameters<typeof createProduct>[1]>({
        body: { title: 'Other', externalId: `${name}-other`, variants: [{ sku: `${name}-17-S` }] }
      })
      await createProduct(tx, input)
      held.resolve()
      await taking.promise
    })
    await held.promise
    const running = runAll(db.database)
    // It waits for whoever inserts the same SKU.
    for (let waiting = 0; waiting === 0; ) {
      const [row] = await db.database.query<{ waiting: number }>(
        `select count(*) as waiting from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
      )
      waiting = row!.waiting
    }
    taking.resolve()
    await other
    await running
    // Tried again, it finds whose the SKU is.
    assert.deepEqual(await countsOf(db.database, importId), [29, 1, 0, 0])
    assert.equal((await productOf(`erp-${name}-17`)).variants.length, 3)
  })
})

describe('what only the database refuses', () => {
  test('fails alone, and the other lines of its batch are taken', async () => {
    await db.database.query(`create function refuse_cursed() returns trigger language plpgsql as $$
      begin if new.sku like '%cursed%' then raise exception 'cursed'; end if; return new; end $$`)
    await db.database.query('create trigger cursed before insert on variants for each row execute function refuse_cursed()')
    const products = someProducts(1000, name)
    for (const index of [3, 500, 999]) products[index]!.variants[1]!.sku = `${name}-cursed-${index}`
    const { counts, errors } = await importFile(db.database, products)
    await db.database.query('drop function refuse_cursed cascade')
    assert.deepEqual(
      [counts, errors],
      [
        [997, 0, 0, 3],
        ['4 # internal', '501 # internal', '1000 # internal']
      ]
    )
    assert.deepEqual(typesOf((await db.events()).filter(event => event.productId && !event.locationId)), ['997 ProductCreated'])
    assert.deepEqual((await importFile(db.database, products)).counts, [3, 0, 997, 0])
  })
})

describe('an import', () => {
  test('that is cancelled goes no further, and what it brought in stays', async () => {
    const importId = await sendFile(db.database, someProducts(3000, name))
    const running = runImports(db.database)
    while ((await readImport(db.database, importId)).created === 0);
    const cancelled = await db.write(cancelImport, { params: { importId } })
    await running
    await runAll(db.database)
    const after = await readImport(db.database, importId)
    assert.deepEqual([after.status, after.created, after.version], ['cancelled', cancelled.created, cancelled.version])
    const [row] = await db.database.query('select count(*) from products where external_id like $1', [`erp-${name}-%`])
    assert.deepEqual(row, { count: after.created })
    assert.ok(after.created < 3000)
  })

  test('that two processes run at once, since one has not noticed that the other took over, has each product once', async () => {
    const lines = someProducts(2500, name).flatMap((product, index) => (index % 50 === 7 ? [product, { title: '' }] : [product]))
    const importId = await sendFile(db.database, lines)
    await Promise.all([runAll(db.database), runAll(db.database), runAll(db.database)])
    assert.deepEqual(await countsOf(db.database, importId), [2500, 0, 0, 50])
    assert.equal((await errorsOf(db.database, importId)).length, 100)
    const events = await db.events()
    assert.deepEqual(typesOf(events.filter(event => event.eventType !== 'InventoryUpdated')), [
      '1 ProductImportCompleted',
      '2500 ProductCreated'
    ])
  })

  test('waits for the one before it', async () => {
    const first = await sendFile(db.database, someProducts(500, name))
    const second = await sendFile(
      db.database,
      someProducts(500, name).map(product => ({ ...product, brand: 'Later' }))
    )
    await runAll(db.database)
    assert.deepEqual(
      [await countsOf(db.database, first), await countsOf(db.database, second)],
      [
        [500, 0, 0, 0],
        [0, 500, 0, 0]
      ]
    )
    assert.deepEqual(await errorsOf(db.database, second), [])
  })
})
