import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ImportProduct } from '#contracts/resources/import.ts'
import { START } from '#platform/text/records.ts'
import { checkBody } from '#platform/text/validation.ts'
import { gathered, pieces } from '../../../../../test/support/chunks.ts'
import { readProductCsv } from './product-csv.ts'

const check = checkBody(ImportProduct)

async function products(rows: readonly (readonly string[])[], currency: string | null = null): Promise<Record<string, unknown>[]> {
  const file = Buffer.from(rows.map(row => row.join('\t')).join('\n'))
  const records = await gathered(readProductCsv(pieces(file, 100), { from: START, currency }))
  return records.map(({ value, faults }) => {
    assert.deepEqual(faults, [])
    check(value)
    return value as Record<string, unknown>
  })
}

describe("Google Merchant's product feed", () => {
  test('has one product for the offers of an item group, with what tells them apart as options', async () => {
    const head =
      `id	title	description	link	image_link	additional_image_link	availability	price	sale_price	brand	gtin	mpn	condition
item_group_id	color	size	gender	google_product_category	product_type	shipping_weight	custom_label_0`.split(/[\t\n]/)
    const image = (name: string) => `https://cdn.example.com/${name}.jpg`
    const offer = (id: string, title: string, color: string, size: string, more: string[]) =>
      [
        id,
        title,
        'For trails',
        `https://shop.example.com/${id}`,
        image('1'),
        `${image('2')},${image(id)}`,
        'in_stock',
        '15.00 USD'
      ].concat(more, ['new', 'G-1', color, size, 'female', '187', 'Home > Shoes > Trail', '0.4 kg', 'summer'])
    const [shoe, lone] = await products([
      head,
      offer('S-41', 'Shoe 24" red', 'Red', '41', ['12.00 USD', 'Alpina', '04012345600001', 'M1']),
      offer('S-42', 'Shoe 24" blue', 'Blue', '41', ['', 'Alpina', '04012345600002', 'M2']),
      ['L-1', 'Lone', '', '', '', '', 'out_of_stock', '700 JPY', '', '', '', '', 'used', '', 'Green', '', '', '', '', '', '']
    ])
    assert.deepEqual(shoe, {
      externalId: 'G-1',
      title: 'Shoe 24" red',
      status: 'active',
      description: 'For trails',
      brand: 'Alpina',
      categoryPaths: [['Home', 'Shoes', 'Trail']],
      attributes: { size: '41', gender: 'female', googleProductCategory: '187', customLabel0: 'summer' },
      media: ['1', '2', 'S-41', 'S-42'].map(name => ({ url: image(name) })),
      options: [{ name: 'Color', values: ['Red', 'Blue'] }],
      variants: [
        {
          sku: 'S-41',
          options: { Color: 'Red' },
          barcode: '04012345600001',
          prices: [{ amount: '15.00', currency: 'USD' }],
          attributes: {
            link: 'https://shop.example.com/S-41',
            availability: 'in_stock',
            salePrice: '12.00 USD',
            mpn: 'M1',
            condition: 'new',
            shippingWeight: '0.4 kg'
          }
        },
        {
          sku: 'S-42',
          title: 'Shoe 24" blue',
          options: { Color: 'Blue' },
          barcode: '04012345600002',
          prices: [{ amount: '15.00', currency: 'USD' }],
          attributes: {
            link: 'https://shop.example.com/S-42',
            availability: 'in_stock',
            mpn: 'M2',
            condition: 'new',
            shippingWeight: '0.4 kg'
          }
        }
      ]
    })
    assert.deepEqual(lone, {
      externalId: 'L-1',
      title: 'Lone',
      status: 'active',
      attributes: { color: 'Green' },
      variants: [
        {
          sku: 'L-1',
          prices: [{ amount: '700', currency: 'JPY' }],
          attributes: { availability: 'out_of_stock', condition: 'used' }
        }
      ]
    })
  })

  test('may have spaces in the names of its columns, and the prefix of feeds in XML', async () => {
    const [a] = await products([
      ['g:ID', 'Title', 'Image Link', 'Product Type'],
      ['A', 'A', 'https://cdn.example.com/a.jpg', 'Shoes']
    ])
    assert.deepEqual([a?.externalId, a?.categoryPaths, a?.media], ['A', [['Shoes']], [{ url: 'https://cdn.example.com/a.jpg' }]])
  })

  test('tells offers of a group that differ in no option apart by their ids', async () => {
    const [a] = (await products([
      ['id', 'title', 'price', 'item_group_id', 'color', 'condition'],
      ['A1', 'A', '1 EUR', 'A', 'Red', 'new'],
      ['A2', 'A', '1 EUR', 'A', 'Red', 'used']
    ])) as { options: unknown; variants: { options: unknown }[] }[]
    assert.deepEqual(a?.options, [{ name: 'Item', values: ['A1', 'A2'] }])
    assert.deepEqual(
      a?.variants.map(({ options }) => options),
      [{ Item: 'A1' }, { Item: 'A2' }]
    )
  })

  test('has an item group and an offer of the same name as two products', async () => {
    const all = await products([
      ['id', 'title', 'price', 'item_group_id'],
      ['A1', 'A', '1 EUR', 'A'],
      ['A', 'A', '1 EUR', '']
    ])
    assert.equal(all.length, 2)
  })
})
