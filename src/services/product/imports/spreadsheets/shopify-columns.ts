/**
 * The columns of Shopify's product CSV, as its documentation has them, the newer name first, and the columns of our own exports beside
 * them. Reading, writing and docs/how-to/import-a-catalog.md follow these tables. Names are compared in lower case.
 */
import { exponents } from '#contracts/resources/money.ts'
import { FileRefused } from '#platform/text/records.ts'
import { type As, type AttributeColumn, attributeKeyOf, type Level } from './attribute-columns.ts'

/** Columns with a meaning of their own. */
export const members = {
  handle: ['URL handle', 'Handle'],
  title: ['Title'],
  description: ['Description', 'Body (HTML)'],
  brand: ['Vendor'],
  category: ['Product category', 'Standardized Product Type'],
  published: ['Published on online store', 'Published'],
  status: ['Status'],
  sku: ['SKU', 'Variant SKU'],
  barcode: ['Barcode', 'Variant Barcode'],
  price: ['Price', 'Variant Price'],
  tracker: ['Inventory tracker', 'Variant Inventory Tracker'],
  quantity: ['Inventory quantity', 'Variant Inventory Qty'],
  imageUrl: ['Product image URL', 'Image Src'],
  imagePosition: ['Image position'],
  imageAlt: ['Image alt text'],
  // Of our own exports.
  externalId: ['External ID'],
  productId: ['Product ID'],
  categoryIds: ['Category IDs'],
  categoryPaths: ['Category paths (JSON)'],
  options: ['Options (JSON)'],
  attributes: ['Attributes (JSON)'],
  variantId: ['Variant ID'],
  variantTitle: ['Variant title'],
  variantStatus: ['Variant status'],
  variantOptions: ['Variant options (JSON)'],
  variantPrices: ['Variant prices (JSON)'],
  variantAttributes: ['Variant attributes (JSON)']
} as const satisfies Record<string, readonly string[]>

export type Member = keyof typeof members

/** Documented columns that become attributes. */
export const attributes: readonly { names: readonly string[]; level: Level; key: string; as: As }[] = [
  { names: ['Type', 'Custom Product Type'], level: 'product', key: 'type', as: 'text' },
  { names: ['Tags'], level: 'product', key: 'tags', as: 'list' },
  { names: ['Gift card'], level: 'product', key: 'giftCard', as: 'boolean' },
  { names: ['SEO title'], level: 'product', key: 'seoTitle', as: 'text' },
  { names: ['SEO description'], level: 'product', key: 'seoDescription', as: 'text' },
  { names: ['Compare-at price', 'Variant Compare At Price'], level: 'variant', key: 'compareAtPrice', as: 'text' },
  { names: ['Cost per item'], level: 'variant', key: 'costPerItem', as: 'text' },
  { names: ['Charge tax', 'Variant Taxable'], level: 'variant', key: 'chargeTax', as: 'boolean' },
  { names: ['Tax code', 'Variant Tax Code'], level: 'variant', key: 'taxCode', as: 'text' },
  {
    names: ['Continue selling when out of stock', 'Variant Inventory Policy'],
    level: 'variant',
    key: 'continueSelling',
    as: 'policy'
  },
  { names: ['Weight value (grams)', 'Variant Grams'], level: 'variant', key: 'weightGrams', as: 'number' },
  { names: ['Weight unit for display', 'Variant Weight Unit'], level: 'variant', key: 'weightUnit', as: 'text' },
  { names: ['Requires shipping', 'Variant Requires Shipping'], level: 'variant', key: 'requiresShipping', as: 'boolean' },
  { names: ['Fulfillment service', 'Variant Fulfillment Service'], level: 'variant', key: 'fulfillmentService', as: 'text' },
  { names: ['Variant image URL', 'Variant Image'], level: 'variant', key: 'image', as: 'text' },
  { names: ['Unit price total measure'], level: 'variant', key: 'unitPriceTotalMeasure', as: 'text' },
  { names: ['Unit price total measure unit'], level: 'variant', key: 'unitPriceTotalMeasureUnit', as: 'text' },
  { names: ['Unit price base measure'], level: 'variant', key: 'unitPriceBaseMeasure', as: 'text' },
  { names: ['Unit price base measure unit'], level: 'variant', key: 'unitPriceBaseMeasureUnit', as: 'text' },
  {
    names: ['Google Shopping / Manufacturer part number (MPN)', 'Google Shopping / MPN'],
    level: 'product',
    key: 'googleShopping.mpn',
    as: 'text'
  },
  {
    names: ['Google Shopping / Ad group name', 'Google Shopping / AdWords Grouping'],
    level: 'product',
    key: 'googleShopping.adGroupName',
    as: 'text'
  },
  {
    names: ['Google Shopping / Ads labels', 'Google Shopping / AdWords Labels'],
    level: 'product',
    key: 'googleShopping.adsLabels',
    as: 'text'
  }
]

/** How many options a product may have: Shopify's three, and ours. */
export const OPTIONS_MAX = 5

/** What stands where in the rows of one file. */
export type ShopifyColumns = {
  places: { readonly [Name in Member]?: number }
  options: { name: number | undefined; value: number | undefined }[]
  prices: { place: number; currency: string }[]
  attributes: AttributeColumn[]
}

const memberOf = new Map(
  Object.entries(members).flatMap(([member, names]) => names.map(name => [name.toLowerCase(), member as Member]))
)
const attributeOf = new Map(attributes.flatMap(column => column.names.map(name => [name.toLowerCase(), column])))
const option = /^option([1-5]) (name|value)$/
const price = /^(?:variant )?price \/ ([a-z]{3})$/
const ofVariant = /^variant |\(variant\.metafields\.|^(?:price|compare.at price) \//

/** Finds the columns. Throws `FileRefused` when two of them mean one thing. */
export function shopifyColumns(columns: readonly string[]): ShopifyColumns {
  const places: { [Name in Member]?: number } = {}
  const options: ShopifyColumns['options'] = Array.from({ length: OPTIONS_MAX }, () => ({ name: undefined, value: undefined }))
  const prices: ShopifyColumns['prices'] = []
  const found: AttributeColumn[] = []
  const keys = new Set<string>()
  const twice = (other: number | undefined, column: string) => {
    if (other === undefined) return
    throw new FileRefused('duplicate-column', `The columns ${columns[other]} and ${column} mean the same`)
  }
  const unknown: number[] = []

  for (const [place, column] of columns.entries()) {
    const name = column.toLowerCase()
    const member = memberOf.get(name)
    const attribute = attributeOf.get(name)
    const [, number, part] = option.exec(name) ?? []
    const currency = price.exec(name)?.[1]?.toUpperCase()
    if (member) {
      twice(places[member], column)
      places[member] = place
    } else if (number) {
      options[Number(number) - 1]![part as 'name' | 'value'] = place
    } else if (currency && exponents.has(currency)) {
      twice(prices.find(each => each.currency === currency)?.place, column)
      prices.push({ place, currency })
    } else if (attribute) {
      twice(found.find(({ key }) => key === attribute.key)?.place, column)
      found.push({ place, level: attribute.level, key: attribute.key, as: attribute.as })
      keys.add(attribute.key)
    } else unknown.push(place)
  }
  for (const place of unknown) {
    const column = columns[place]!
    const level = ofVariant.test(column.toLowerCase()) ? 'variant' : 'either'
    const wanted = attributeKeyOf(column.replace(/^variant /i, ''), place + 1)
    const key = keys.has(wanted) ? `${wanted.slice(0, 58)}-${place + 1}` : wanted
    keys.add(key)
    found.push({ place, level, key, as: 'text' })
  }
  return { places, options, prices, attributes: found }
}
