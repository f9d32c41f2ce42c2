/** What a product is comes back from its rows, one product at a time; without a database. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ImportProduct } from '#contracts/resources/import.ts'
import type { Product, Variant } from '#contracts/resources/product.ts'
import { readCsv } from '#platform/text/csv.ts'
import { START } from '#platform/text/records.ts'
import { checkBody } from '#platform/text/validation.ts'
import { gathered, pieces } from '../../../../test/support/chunks.ts'
import { readProductCsv } from '../imports/spreadsheets/product-csv.ts'
import { type ExportedProduct, productRows } from './product-rows.ts'

type Media = Product['media'][number]

const check = checkBody(ImportProduct)
const currencies = ['EUR', 'JPY', 'USD']

/** The products that rows say, each checked as an import checks it. */
async function readBack(exported: readonly ExportedProduct[]): Promise<unknown[]> {
  const { header, rowsOf } = productRows(['USD', 'JPY', 'EUR', 'HRK'])
  const file = Buffer.from(header + exported.map(rowsOf).join(''))
  const records = await gathered(readProductCsv(pieces(file, 1000), { from: START, currency: null }))
  for (const { value, faults } of records) {
    assert.deepEqual(faults, [])
    check(value)
  }
  return records.map(({ value }) => value)
}

/** What an import says of the product. Empty lists say what their absence says. */
function importOf({ product, categoryPaths }: ExportedProduct): object {
  const { version, createdAt, updatedAt, variants, ...rest } = product
  return said({
    ...rest,
    categoryPaths,
    variants: variants.map(({ version, createdAt, updatedAt, productId, ...variant }) => said(variant))
  })
}

function said(members: object): object {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => JSON.stringify(value) !== '[]' && JSON.stringify(value) !== '{}')
  )
}

const at = '2026-11-22T10:00:00.000Z'
const id = fc.uuid({ version: 7 })
const isText = (char: string) => /^[\t\r\n]$/.test(char) || !/\p{Cc}/u.test(char)
const character = fc.oneof(
  fc.constantFrom(...'",;\t\n\r\'=+-@ >0123456789', '\r\n', '＝', '\u2028', '"""', "'=", 'Default Title', '[', '{'),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }).filter(isText)
)
// As text is stored: in form C of Unicode.
const text = fc.array(character, { maxLength: 12 }).map(parts => parts.join('').normalize('NFC'))
const line = text.map(words => words.replace(/[\t\n\r\u2028\u2029]/g, '')).filter(words => /\S/.test(words))
const sku = fc.stringMatching(/^[!-~]([ -~]{0,10}[!-~])?$/)
const key = fc.oneof(
  fc.constantFrom(
    'type',
    'tags',
    'giftCard',
    'seoTitle',
    'compareAtPrice',
    'weightGrams',
    'requiresShipping',
    'continueSelling',
    'image'
  ),
  fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.:-]{0,10}$/)
)
const value = fc.oneof(
  text,
  fc.constantFrom('TRUE', 'false', 'deny', 'toString', 'valueOf', '450', '0450', '4.50', '1e3', 'a, b', ''),
  fc.double({ noNaN: true, noDefaultInfinity: true, noInteger: true }),
  fc.maxSafeInteger(),
  fc.boolean(),
  fc.array(text, { maxLength: 3 })
)
const attributes = fc.dictionary(key, value, { maxKeys: 5, noNullPrototype: true })
const optional = <Type>(arbitrary: fc.Arbitrary<Type>) => fc.option(arbitrary, { nil: undefined })
const optionName = fc.oneof(
  fc.constantFrom('Title', 'title', 'Size', 'toString', 'valueOf'),
  line.map(name => name.slice(0, 20).toWellFormed()).filter(Boolean)
)
const optionValue = fc.oneof(fc.constantFrom('Default Title', '41'), line)

const variantOf = (names: readonly string[]) =>
  fc
    .record({
      variantId: id,
      sku,
      title: optional(text),
      status: fc.constantFrom('active' as const, 'archived' as const),
      options: fc.tuple(...names.map(() => optional(optionValue))),
      barcode: optional(text),
      attributes,
      prices: fc.subarray([
        { currency: 'EUR', amount: '89.90' },
        { currency: 'JPY', amount: '1200' },
        { currency: 'KWD', amount: '1.250' },
        { currency: 'USD', amount: '0.00' }
      ])
    })
    .map(({ options, ...variant }) => {
      const chosen = names.flatMap((name, index) => (options[index] === undefined ? [] : [[name, options[index]] as const]))
      return defined<Variant>({
        ...variant,
        productId: 'p',
        options: Object.fromEntries(chosen),
        version: 1,
        createdAt: at,
        updatedAt: at
      })
    })

const exported: fc.Arbitrary<ExportedProduct> = fc
  .uniqueArray(optionName, { maxLength: 5 })
  .chain(names =>
    fc.record({
      names: fc.constant(names),
      unused: fc.array(optionValue, { maxLength: 2 }),
      shuffled: fc.boolean(),
      categoryPaths: fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { maxLength: 2 }),
      product: fc.record({
        productId: id,
        externalId: optional(text.filter(each => each !== '')),
        title: line,
        slug: fc.stringMatching(/^[a-z0-9]{1,8}(-[a-z0-9]{1,4}){0,2}$/),
        status: fc.constantFrom('draft' as const, 'active' as const, 'archived' as const),
        description: optional(text),
        brand: optional(text),
        categoryIds: fc.uniqueArray(id, { maxLength: 2 }),
        attributes,
        media: fc.array(
          fc.record({ url: fc.webUrl(), alt: optional(text) }).map(picture => defined<Media>(picture)),
          { maxLength: 4 }
        ),
        variants: fc.uniqueArray(variantOf(names), { maxLength: 4, selector: each => each.sku })
      })
    })
  )
  .map(({ names, unused, shuffled, categoryPaths, product }) => {
    const used = (name: string) => product.variants.flatMap(({ options }) => (Object.hasOwn(options, name) ? options[name]! : []))
    const options = names
      .map(name => ({ name, values: [...new Set(shuffled ? [...unused, ...used(name)] : used(name))] }))
      .filter(({ values }) => shuffled || values.length > 0)
    return { categoryPaths, product: defined<Product>({ ...product, options, version: 1, createdAt: at, updatedAt: at }) }
  })

/** Without the members that are undefined, as documents are. */
function defined<Document extends object>(members: { [Name in keyof Document]: Document[Name] | undefined }): Document {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Document
}

describe('rows of products', () => {
  test('say everything that an import can say, whatever stands in the texts', async () => {
    const products = fc.uniqueArray(exported, { minLength: 1, maxLength: 3, selector: ({ product }) => product.slug })
    await fc.assert(
      fc.asyncProperty(products, async all => {
        assert.deepEqual(await readBack(all), all.map(importOf))
      }),
      { numRuns: 200 }
    )
  })

  test('have nothing that a spreadsheet would run, whatever stands in the texts', async () => {
    const { header, rowsOf } = productRows(currencies)
    await fc.assert(
      fc.asyncProperty(exported, async product => {
        const { rows } = await readCsv(pieces(Buffer.from(header + rowsOf(product)), 1000), START)
        for (const { cells } of await gathered(rows)) for (const cell of cells) assert.doesNotMatch(cell, /^[=+\-@\t\r＝＋－＠]/)
      }),
      { numRuns: 100 }
    )
  })
})
