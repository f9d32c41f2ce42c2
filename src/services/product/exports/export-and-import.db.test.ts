/** An export is a file that an import takes: here it changes nothing, elsewhere it makes the same catalog. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Product } from '#contracts/resources/product.ts'
import type { Download } from '#platform/http/handlers.ts'
import { importFile } from '../../../../test/support/imports.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { archiveProduct } from '../catalog/archive-product.ts'
import { createCategory } from '../catalog/create-category.ts'
import { createProduct } from '../catalog/create-product.ts'
import { exportProducts } from './export-products.ts'
import { exportProductsAsCsv } from './export-products-as-csv.ts'

let db: ProductDatabase
let elsewhere: ProductDatabase
before(async () => {
  ;[db, elsewhere] = await Promise.all([openProductDatabase(), openProductDatabase()])
  await fill(db)
})
after(async () => {
  await db[Symbol.asyncDispose]()
  await elsewhere[Symbol.asyncDispose]()
})

/** One of everything that is hard to write down. */
async function fill({ write }: ProductDatabase): Promise<void> {
  const home = await write(createCategory, { body: { name: 'Home > Garden, "sort of"' } })
  const lamps = await write(createCategory, { body: { name: 'Lamps', parentId: home.categoryId } })
  await write(createProduct, {
    body: {
      title: '=HYPERLINK("x"), the lamp',
      externalId: '00042',
      status: 'active',
      description: 'First line\nsecond, "quoted"; third\ttab\n\n<p>kept as text</p>',
      brand: "'Acme",
      categoryIds: [lamps.categoryId, home.categoryId],
      attributes: { weight: 1.5, vegan: true, tags: ['a', 'b,c'], note: '@sum' },
      media: [{ url: 'https://example.com/a.jpg', alt: '-1' }, { url: 'https://example.com/b.jpg' }],
      options: [
        { name: 'Size', values: ['XL', 'S', 'M'] },
        { name: 'Colour', values: ['Grün'] }
      ],
      variants: [
        {
          sku: 'LAMP-S',
          options: { Size: 'S', Colour: 'Grün' },
          barcode: '0012',
          attributes: { lumen: 800 },
          prices: [price('10'), price('900', 'JPY')]
        },
        {
          sku: '+LAMP-M',
          title: 'Medium',
          options: { Size: 'M', Colour: 'Grün' },
          prices: [price('1.234', 'KWD')],
          inventory: { onHand: 7 }
        }
      ]
    }
  })
  await write(createProduct, { body: { title: 'A draft with nothing', externalId: 'draft-1' } })
  const { productId } = await write(createProduct, {
    body: { title: 'No longer sold', slug: 'gone', status: 'active', variants: [{ sku: 'GONE' }] }
  })
  await write(archiveProduct, { params: { productId } })
}

const price = (amount: string, currency = 'EUR') => ({ amount, currency })

async function textOf({ chunks }: Download): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += chunk
  return text
}

const formats = [
  ['application/x-ndjson', exportProducts],
  ['text/csv', exportProductsAsCsv]
] as const

for (const [mediaType, exported] of formats) {
  test(`an export as ${mediaType} imports back and changes nothing: no version, no event`, async () => {
    const file = await textOf(await db.read(exported, {}))
    await db.events()
    const { counts, errors } = await importFile(db.database, file, { mediaType })
    assert.deepEqual(errors, [])
    assert.deepEqual(counts, [0, 0, 3, 0])
    assert.deepEqual(
      (await db.events()).map(event => event.eventType),
      ['ProductImportCompleted']
    )
  })
}

test('an export imported into an empty catalog makes the same catalog, whichever format it takes', async () => {
  const first = await textOf(await db.read(exportProducts, {}))
  const { counts, errors } = await importFile(elsewhere.database, first)
  assert.deepEqual([counts, errors], [[3, 0, 0, 0], []])
  const again = await textOf(await elsewhere.read(exportProducts, {}))
  assert.deepEqual(contentOf(again), contentOf(first))
  const csv = await textOf(await db.read(exportProductsAsCsv, {}))
  assert.deepEqual((await importFile(elsewhere.database, csv, { mediaType: 'text/csv' })).counts, [0, 0, 3, 0])
})

/** The products of a file without what each service gives its own. */
function contentOf(file: string): unknown[] {
  const lines = file
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Product)
  return lines.map(({ productId: _, version: __, createdAt: ___, updatedAt: ____, categoryIds, variants, ...product }) => ({
    ...product,
    categories: categoryIds.length,
    variants: variants.map(
      ({ variantId: _, productId: __, version: ___, createdAt: ____, updatedAt: _____, ...variant }) => variant
    )
  }))
}
