import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ImportProduct } from '#contracts/resources/import.ts'
import { FileRefused, START } from '#platform/text/records.ts'
import { checkBody } from '#platform/text/validation.ts'
import { gathered, inChunks, pieces } from '../../../../../test/support/chunks.ts'
import type { SourceRecord } from '../source-record.ts'
import { readProductCsv } from './product-csv.ts'

const check = checkBody(ImportProduct)

function read(file: string, currency: string | null = 'EUR'): Promise<SourceRecord[]> {
  return gathered(readProductCsv(inChunks(Buffer.from(file), []), { from: START, currency }))
}

/** The products of a file that is as it should be. */
async function products(file: string, currency?: string | null): Promise<Record<string, unknown>[]> {
  const records = await read(file, currency)
  return records.map(({ value, faults }) => {
    assert.deepEqual(faults, [])
    check(value)
    return value as Record<string, unknown>
  })
}

/** One product of one row, as columns and their cells. */
async function product(cells: Record<string, string>, currency?: string | null) {
  const row = { 'URL handle': 'shoe', Title: 'Shoe', SKU: 'S', ...cells }
  const [only] = await products(`${Object.keys(row).join()}\n${Object.values(row).join()}\n`, currency)
  return only as { variants: Record<string, unknown>[] } & Record<string, unknown>
}

/** Records as their line and the codes of what is wrong with them. */
async function faults(file: string, currency?: string | null): Promise<string[]> {
  const records = await read(file, currency)
  return records.flatMap(record =>
    record.faults.map(({ line, code, pointer }) => `${record.line}: ${code} at ${line} ${pointer}`.trim())
  )
}

describe("Shopify's product CSV", () => {
  const expected = [
    {
      externalId: 'trail-shoe',
      slug: 'trail-shoe',
      title: 'Trail shoe',
      status: 'active',
      description: '<p>A "shoe"\nfor trails</p>',
      brand: 'Alpina',
      categoryPaths: [['Apparel', 'Shoes']],
      attributes: { type: 'Shoes', tags: ['trail', 'outdoor'], giftCard: false, seoTitle: 'A shoe', 'googleShopping.mpn': 'M-1' },
      media: [
        { url: 'https://cdn.example.com/1.jpg', alt: 'Side' },
        { url: 'https://cdn.example.com/2.jpg' },
        { url: 'https://cdn.example.com/3.jpg' }
      ],
      options: [
        { name: 'Size', values: ['41', '42'] },
        { name: 'Color', values: ['Red'] }
      ],
      variants: [
        {
          sku: 'SHOE-41',
          options: { Size: '41', Color: 'Red' },
          barcode: '0401234560000',
          attributes: { compareAtPrice: '99.00', continueSelling: false, weightGrams: 450, requiresShipping: true },
          prices: [{ amount: '89.90', currency: 'EUR' }],
          inventory: { onHand: 10, tracked: true }
        },
        {
          sku: 'SHOE-42',
          options: { Size: '42', Color: 'Red' },
          attributes: { continueSelling: true, weightGrams: 455.5, requiresShipping: true },
          prices: [{ amount: '89.90', currency: 'EUR' }],
          inventory: { tracked: false }
        }
      ]
    },
    {
      externalId: 'gift',
      slug: 'gift',
      title: 'Gift',
      status: 'draft',
      attributes: { giftCard: true },
      variants: [{ sku: 'GIFT', prices: [{ amount: '10', currency: 'EUR' }], inventory: { tracked: false } }]
    }
  ]

  test('is read under the names that Shopify has used since 2024', async () => {
    const file = `Title,URL handle,Description,Vendor,Product category,Type,Tags,Published on online store,Status,SKU,Barcode,Option1 name,Option1 value,Option1 Linked To,Option2 name,Option2 value,Price,Compare-at price,Inventory tracker,Inventory quantity,Continue selling when out of stock,Weight value (grams),Requires shipping,Product image URL,Image position,Image alt text,Gift card,SEO title,Google Shopping / Manufacturer part number (MPN)
Trail shoe,trail-shoe,"<p>A ""shoe""\nfor trails</p>",Alpina,Apparel > Shoes,Shoes,"trail, outdoor",TRUE,Active,SHOE-41,'0401234560000,Size,41,,Color,Red,89.90,99.00,shopify,10,DENY,450,TRUE,https://cdn.example.com/2.jpg,2,,FALSE,A shoe,M-1
,trail-shoe,,,,,,,,SHOE-42,,,42,,,Red,89.90,,,7,CONTINUE,455.5,TRUE,https://cdn.example.com/1.jpg,1,Side,,,
,trail-shoe,,,,,,,,,,,,,,,,,,,,,,https://cdn.example.com/3.jpg,3,,,,
Gift,gift,,,,,,FALSE,active,GIFT,,Title,Default Title,,,,10,,,,,,,,,,TRUE,,
`
    assert.deepEqual(await products(file), expected)
  })

  test('is read under the names before', async () => {
    const file = `Handle,Title,Body (HTML),Vendor,Standardized Product Type,Custom Product Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,Variant Requires Shipping,Variant Barcode,Image Src,Image Position,Image Alt Text,Gift Card,SEO Title,Google Shopping / MPN,Status
trail-shoe,Trail shoe,"<p>A ""shoe""\nfor trails</p>",Alpina,Apparel > Shoes,Shoes,"trail, outdoor",true,Size,41,Color,Red,SHOE-41,450,shopify,10,deny,89.90,99.00,true,'0401234560000,https://cdn.example.com/1.jpg,1,Side,false,A shoe,M-1,active
trail-shoe,,,,,,,,,42,,Red,SHOE-42,455.5,,7,continue,89.90,,true,,https://cdn.example.com/2.jpg,2,,,,,
trail-shoe,,,,,,,,,,,,,,,,,,,,,https://cdn.example.com/3.jpg,3,,,,,
gift,Gift,,,,,,false,Title,Default Title,,,GIFT,,,,,10,,,,,,,true,,,active
`
    assert.deepEqual(await products(file), expected)
  })

  test('is the same with semicolons or tabs, with CRLF, and from the end of each product the rest is the same', async () => {
    const rows = [
      ['Handle', 'Title', 'Option1 Name', 'Option1 Value', 'Variant SKU'],
      ['a', 'A', 'Size', '1', 'A1'],
      ['a', '', '', '2', 'A2'],
      ['b', 'B', '', '', 'B1'],
      ['c', 'C', '', '', 'C1']
    ]
    const expected = await products(rows.map(row => row.join(',')).join('\n'))
    for (const delimiter of [';', '\t']) {
      const file = Buffer.from(rows.map(row => row.join(delimiter)).join('\r\n'))
      const records = await gathered(readProductCsv(pieces(file, 1), { from: START, currency: null }))
      assert.deepEqual(
        records.map(({ value }) => value),
        expected
      )
      for (const [index, { next }] of records.entries()) {
        const from = JSON.parse(JSON.stringify(next))
        const rest = await gathered(readProductCsv(pieces(file.subarray(next.offset), 7), { from, currency: null }))
        assert.deepEqual(rest, records.slice(index + 1))
      }
    }
  })

  test('has its formulas kept as text, without the apostrophe that an export put before them', async () => {
    const { title, description, brand } = await product({ Title: "'=1+1", Description: '@SUM(A1)', Vendor: "'tis" })
    assert.deepEqual([title, description, brand], ['=1+1', '@SUM(A1)', "'tis"])
  })

  test('needs the currency of its prices, from the import, the column or the cell', async () => {
    const priced = async (cells: Record<string, string>, currency: string | null) =>
      (await product(cells, currency)).variants[0]?.prices
    assert.deepEqual(await priced({ Price: '5' }, 'JPY'), [{ amount: '5', currency: 'JPY' }])
    assert.deepEqual(await priced({ Price: '5 USD' }, 'EUR'), [{ amount: '5', currency: 'USD' }])
    assert.deepEqual(await priced({ 'Price / EUR': '5.00', 'Price / JPY': '700' }, null), [
      { amount: '5.00', currency: 'EUR' },
      { amount: '700', currency: 'JPY' }
    ])
    assert.deepEqual(await faults('Handle,Title,Variant Price\na,A,5\nb,B,5 USD\n', null), [
      '2: currency-required at 2 /Variant Price'
    ])
    assert.deepEqual(await faults('Handle,Title,Variant Price\na,A,"1,299.00"\nb,B,$5\nc,C,-1\nd,D,1.005\n'), [
      '2: price at 2 /Variant Price',
      '3: price at 3 /Variant Price',
      '4: price at 4 /Variant Price',
      '5: price at 5 /Variant Price'
    ])
  })

  test('makes a SKU for a variant without one, the same every time, another for every variant', async () => {
    const file = 'Handle,Title,Option1 Name,Option1 Value,Price\nshoe,Shoe,Color,Deep red,5\nshoe,,,Grün,5\nshoe,,,红,5\n'
    const [shoe] = (await products(file)) as { variants: { sku: string }[] }[]
    const skus = shoe!.variants.map(({ sku }) => sku)
    assert.deepEqual(skus, ['shoe-Deep-red', 'shoe-grun-3fc1b317', 'shoe-a31606e2'])
    assert.equal((await product({ SKU: '', Price: '1' })).variants[0]?.sku, 'shoe')
    const [long] = (await products(`Handle,Title,Price\n${'long-'.repeat(20)}x,Long,5\n`)) as { variants: { sku: string }[] }[]
    assert.equal(long?.variants[0]?.sku.length, 64)
  })

  test('makes a slug of a handle that is none, and a handle of a title where there is none', async () => {
    const [a, b] = await products('Handle,Title,Variant SKU\nTrail Shoe,A,A\n,Crème brûlée,B\n')
    assert.deepEqual([a?.externalId, a?.slug], ['Trail Shoe', 'trail-shoe'])
    assert.deepEqual([b?.externalId, b?.slug], ['creme-brulee', 'creme-brulee'])
    assert.deepEqual(await faults('Handle,Title,Variant SKU\n,,A\n'), ['2: no-product at 2'])
  })

  test('has what it knows no column for as attributes, of the variant where rows of a product differ', async () => {
    const file = `Handle,Title,Variant SKU,Fabric care,Löschdatum,色,Variant Shade,constructor,Color (product.metafields.shopify.color-pattern),Rank (variant.metafields.custom.rank),Price / International,Fabric  Care
a,A,A1,cold,x,y,dark,c,red,1,9,dry
a,,A2,warm,x,,,,,2,,
`
    const [a] = (await products(file)) as { attributes: unknown; variants: { attributes: unknown }[] }[]
    assert.deepEqual(a?.attributes, {
      loschdatum: 'x',
      column6: 'y',
      column8: 'c',
      'shopify.color-pattern': 'red',
      'fabricCare-12': 'dry'
    })
    assert.deepEqual(
      a?.variants.map(({ attributes }) => attributes),
      [
        { fabricCare: 'cold', shade: 'dark', 'custom.rank': '1', 'price.international': '9' },
        { fabricCare: 'warm', 'custom.rank': '2' }
      ]
    )
  })

  test('says status and publication together', async () => {
    const status = async (Status: string, Published: string) => (await product({ Status, Published })).status
    assert.deepEqual(await Promise.all([status('active', 'TRUE'), status('Active', 'FALSE'), status('archived', 'false')]), [
      'active',
      'draft',
      'archived'
    ])
    assert.deepEqual(await Promise.all([status('', 'true'), status('', 'FALSE'), status('', '')]), ['active', 'draft', undefined])
  })

  test('counts units that a shop owes as none, and refuses what is no number', async () => {
    const inventory = async (quantity: string) => (await product({ 'Inventory quantity': quantity })).variants[0]?.inventory
    assert.deepEqual([await inventory('-3'), await inventory('4'), await inventory('')], [{ onHand: 0 }, { onHand: 4 }, undefined])
    assert.deepEqual(await faults('Handle,Title,Inventory quantity\na,A,many\n'), ['2: number at 2 /Inventory quantity'])
  })

  test('has one picture where its rows repeat it', async () => {
    const url = 'https://cdn.example.com/1.jpg'
    const [a] = await products(`Handle,Title,Variant SKU,Image Src\na,A,A1,${url}\na,,A2,${url}\n`)
    assert.deepEqual(a?.media, [{ url }])
  })

  test('of our own has JSON in some columns; what is no JSON is told, what is no such value is left to validation', async () => {
    const head = 'Handle,Title,Variant SKU,Option1 Name,Option1 Value,Variant options (JSON),Attributes (JSON)\n'
    assert.deepEqual(await faults(`${head}a,A,A1,S,1,{,\nb,B,B1,S,1,,"{""__proto__"":1}"\n`), [
      '2: malformed-json at 2 /Variant options (JSON)',
      '3: malformed-json at 3 /Attributes (JSON)'
    ])
    const [strange] = await read(`${head}a,A,A1,S,1,7,[]\n`)
    assert.deepEqual(strange?.value, {
      externalId: 'a',
      title: 'A',
      slug: 'a',
      attributes: [],
      variants: [{ sku: 'A1', options: 7 }]
    })
  })

  test('refuses names of options that no product may have, and values without a name', async () => {
    const head = 'Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value\n'
    assert.deepEqual(await faults(`${head}a,A,__proto__,1,,\nb,B,Size,1,Size,2\nc,C,,1,,\n`), [
      '2: option-name at 2 /Option1 Value',
      '3: option-name at 3 /Option2 Value',
      '4: option-name at 4 /Option1 Value'
    ])
  })
})

describe('a product of which a row is at fault', () => {
  const head = 'Handle,Title,Option1 Name,Option1 Value,Variant SKU\n'
  const said = async (rows: string) => {
    const records = await read(head + rows)
    return records.map(({ line, value, faults }) => [
      line,
      (value as { externalId?: string } | undefined)?.externalId ?? faults.map(fault => fault.line).join()
    ])
  }

  test('is not read at all, and its neighbours are', async () => {
    assert.deepEqual(await said('a,A,S,1,A1\nb,B,S,1,B1\nb,,,2\nb,,,3,B3\nc,C,S,1,C1\n'), [
      [2, 'a'],
      [3, '4'],
      [6, 'c']
    ])
  })

  test('also when its first row is, or one that says nothing of whose it is', async () => {
    assert.deepEqual(await said('a,A,S,1,A1\nb,B,"S,1,B1\nb,,,2,B2\nc,C,S,1,C1\n'), [
      [2, 'a'],
      [3, '3'],
      [5, 'c']
    ])
    assert.deepEqual(await said('b,B,S,1,B1\n"b,,,2,B2\nb,,,3,B3\nc,C,S,1,C1\n'), [
      [2, '3'],
      [5, 'c']
    ])
  })

  test('is not read together with rows at fault that stand alone', async () => {
    assert.deepEqual(await said('a,A,S,1,A1\nx\ny\nc,C,S,1,C1\nz\n'), [
      [2, 'a'],
      [3, '3'],
      [4, '4'],
      [5, 'c'],
      [6, '6']
    ])
  })

  test('is told with each of ten thousand rows', async () => {
    const bad = await read(`${head}${'x\n'.repeat(10_000)}c,C,S,1,C1\n`)
    assert.equal(bad.length, 10_001)
    const ofOne = await read(`${head}x,X,S,1,X1\n${'x\n'.repeat(10_000)}c,C,S,1,C1\n`)
    assert.deepEqual(
      ofOne.map(({ line, faults }) => [line, faults.length]),
      [
        [2, 10_000],
        [10_003, 0]
      ]
    )
  })

  test('has at most as many rows as a product may have', async () => {
    const rows = (count: number) => Array.from({ length: count }, (_, index) => `a,A,S,${index},A${index}\n`).join('')
    assert.deepEqual(await said(`${rows(2100)}b,B,S,1,B1\n`), [
      [2, 'a'],
      [2102, 'b']
    ])
    assert.deepEqual(await said(`${rows(2101)}b,B,S,1,B1\n`), [
      [2, '2102'],
      [2103, 'b']
    ])
  })
})

describe('a CSV file', () => {
  const refused = (header: string, code: string, says: RegExp) =>
    assert.rejects(read(`${header}\n`), error => error instanceof FileRefused && error.code === code && says.test(error.message))

  test('of neither format is refused, with the columns that were looked for and those that are there', async () => {
    await refused('Name,Cost', 'unknown-columns', /Handle or URL handle, and Title .*id, title and one of price.*Name, Cost/)
  })

  test('with two columns that mean the same is refused', async () => {
    await refused('Handle,URL handle,Title', 'duplicate-column', /Handle and URL handle/)
    await refused('Handle,Title,Variant Grams,Weight value (grams)', 'duplicate-column', /Variant Grams/)
    await refused('id,title,price,image link,image_link', 'duplicate-column', /image_link/)
  })

  test('with nothing but a header has no products', async () => {
    assert.deepEqual(await products('Handle,Title\n'), [])
  })
})
