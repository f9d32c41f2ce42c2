/** Google Merchant's product feed: a row is an offer; those of one item group are the variants of one product. */
import type { Row } from '#platform/text/csv.ts'
import { pathsOf } from './category-cell.ts'
import { codeIn, textIn } from './cells.ts'
import { type Member, type MerchantColumns, merchantColumns, merchantName } from './google-merchant-columns.ts'
import { priceOf } from './price-cell.ts'
import { attributesOf, withJson } from './row-attributes.ts'
import type { RowFormat } from './row-format.ts'
import { given, optionsOf, type Sheet } from './sheet.ts'

const offered = ['price', 'link', 'image_link', 'availability']

export const googleMerchant: RowFormat = {
  knownBy: `id, title and one of ${offered.join(', ')} (Google Merchant)`,
  open(columns) {
    const names = new Set(columns.map(merchantName))
    if (!names.has('id') || !names.has('title') || !offered.some(name => names.has(name))) return undefined
    const at = merchantColumns(columns)
    return { keyOf: cells => keyOf(cells, at), toProduct: sheet => productOf(sheet, at) }
  }
}

function keyOf(cells: readonly string[], { places }: MerchantColumns): string {
  if (Math.max(places.id!, places.item_group_id ?? 0) >= cells.length) return ''
  const group = textIn(cells, places.item_group_id)?.trim()
  if (group) return `group ${group}`
  const id = textIn(cells, places.id)?.trim()
  return id ? `id ${id}` : ''
}

function productOf(sheet: Sheet, at: MerchantColumns): Record<string, unknown> {
  const { places } = at
  const first = (member: Member) => sheet.first(places[member])
  const options = at.options.filter(({ place }) => new Set(sheet.rows.map(({ cells }) => cells[place])).size > 1)
  const telling = new Set(options.map(({ place }) => place))
  const attributes = attributesOf(
    sheet,
    at.attributes.filter(({ place }) => !telling.has(place))
  )
  const title = first('title')
  const variants = toldApart(
    sheet.rows.map(row => variantOf(sheet, row, at, options, title, withJson(attributes.ofRow(row), undefined)))
  )
  return given({
    externalId: (first('item_group_id') ?? first('id'))?.trim(),
    title,
    // A feed lists what is for sale.
    status: 'active',
    description: first('description'),
    brand: first('brand'),
    categoryPaths: pathsOf(first('product_type')),
    attributes: withJson(attributes.ofProduct, undefined),
    media: mediaOf(sheet, at),
    options: optionsOf([...options.map(({ name }) => name), ITEM], variants),
    variants
  })
}

type Options = Record<string, string>
type Variant = Record<string, unknown> & { options?: Options }

function variantOf(
  sheet: Sheet,
  row: Row,
  { places }: MerchantColumns,
  options: MerchantColumns['options'],
  productTitle: string | undefined,
  attributes: unknown
): Variant {
  const title = textIn(row.cells, places.title)
  const values = options.flatMap(({ place, name }) => {
    const value = textIn(row.cells, place)
    return value === undefined ? [] : [[name, value] as const]
  })
  return given({
    sku: codeIn(row.cells, places.id)?.trim(),
    title: title === productTitle ? undefined : title,
    options: values.length === 0 ? undefined : Object.fromEntries(values),
    barcode: codeIn(row.cells, places.gtin),
    attributes,
    prices: pricesIn(sheet, row, places.price)
  })
}

function pricesIn(sheet: Sheet, row: Row, place: number | undefined): object[] | undefined {
  const text = textIn(row.cells, place)
  if (text === undefined) return undefined
  const price = priceOf(text, { column: null, file: sheet.currency })
  if ('amount' in price) return [price]
  sheet.tell(row, place!, price.code, price.detail)
  return undefined
}

const ITEM = 'Item'

/** Offers of a group that differ in no option, such as a new one and a used one, are told apart by their ids. */
function toldApart(variants: readonly Variant[]): Variant[] {
  const distinct = new Set(variants.map(({ options = {} }) => JSON.stringify(options)))
  if (distinct.size === variants.length) return [...variants]
  return variants.map(variant => ({ ...variant, options: { ...variant.options, [ITEM]: String(variant.sku) } }))
}

function mediaOf({ rows }: Sheet, { places }: MerchantColumns): object[] | undefined {
  const links = (place: number | undefined) =>
    rows.flatMap(({ cells }) => (textIn(cells, place) ?? '').split(',').map(link => link.trim()))
  const urls = new Set([...links(places.image_link), ...links(places.additional_image_link)])
  urls.delete('')
  return urls.size === 0 ? undefined : [...urls].map(url => ({ url }))
}
