/**
 * The columns of Google Merchant's product feed, as its product data specification has them. Reading and
 * docs/how-to/import-a-catalog.md follow these tables. Names may have spaces for underscores, and the `g:` of feeds in XML.
 */
import { FileRefused } from '#platform/text/records.ts'
import { type AttributeColumn, attributeKeyOf } from './attribute-columns.ts'

/** Columns with a meaning of their own. */
export const members = [
  'id',
  'title',
  'description',
  'brand',
  'gtin',
  'price',
  'image_link',
  'additional_image_link',
  'item_group_id',
  'product_type'
] as const

export type Member = (typeof members)[number]

/** What tells the variants of a group apart, where it differs; else it is an attribute of the product. */
export const options: Readonly<Record<string, string>> = {
  color: 'Color',
  size: 'Size',
  material: 'Material',
  pattern: 'Pattern',
  gender: 'Gender',
  age_group: 'Age group',
  size_type: 'Size type',
  size_system: 'Size system'
}

/** What is said of each offer, whatever it is in the others of its group. Every other column is the product's unless it differs. */
export const ofVariants: ReadonlySet<string> = new Set([
  'mpn',
  'availability',
  'availability_date',
  'expiration_date',
  'sale_price',
  'sale_price_effective_date',
  'cost_of_goods_sold',
  'condition',
  'multipack',
  'is_bundle',
  'unit_pricing_measure',
  'unit_pricing_base_measure',
  'shipping_weight',
  'shipping_length',
  'shipping_width',
  'shipping_height',
  'product_weight',
  'product_length',
  'product_width',
  'product_height'
])

/** What stands where in the rows of one file. */
export type MerchantColumns = {
  places: { readonly [Name in Member]?: number }
  options: { place: number; name: string }[]
  attributes: AttributeColumn[]
}

/** The name of a column as the specification has it. */
export function merchantName(column: string): string {
  return column.toLowerCase().replace(/^g:/, '').replace(/\s+/g, '_')
}

/** Finds the columns. Throws `FileRefused` when two of them mean one thing. */
export function merchantColumns(columns: readonly string[]): MerchantColumns {
  const names = columns.map(merchantName)
  const twice = names.findIndex((name, place) => names.indexOf(name) < place)
  if (twice !== -1) throw new FileRefused('duplicate-column', `Two columns mean the same: ${names[twice]}`)
  const known = new Set<string>(members)
  const places = Object.fromEntries([...names.entries()].flatMap(([place, name]) => (known.has(name) ? [[name, place]] : [])))
  const keys = new Set<string>()
  const attributes: AttributeColumn[] = []
  for (const [place, name] of names.entries()) {
    if (known.has(name)) continue
    const wanted = attributeKeyOf(name, place + 1)
    const key = keys.has(wanted) ? `${wanted.slice(0, 58)}-${place + 1}` : wanted
    keys.add(key)
    attributes.push({ place, level: ofVariants.has(name) ? 'variant' : 'either', key, as: 'text' })
  }
  const found = [...names.entries()].flatMap(([place, name]) =>
    Object.hasOwn(options, name) ? [{ place, name: options[name]! }] : []
  )
  return { places, options: found, attributes }
}
