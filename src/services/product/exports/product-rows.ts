/**
 * Products as rows of Shopify's product CSV, under its newer column names, with columns of our own for what Shopify has no column for. What
 * the importer would not read from them as it is stands as JSON in the last columns, so that an export imports back to the same.
 */
import { exponents } from '#contracts/resources/money.ts'
import type { Product, Variant } from '#contracts/resources/product.ts'
import { toCell, toCsvRow } from '#platform/text/csv-cells.ts'
import { canonical } from '#platform/text/json.ts'
import { type AttributeValue, attributeCell } from '../imports/spreadsheets/attribute-columns.ts'
import { pathsOf } from '../imports/spreadsheets/category-cell.ts'
import { codeCell } from '../imports/spreadsheets/cells.ts'
import { optionIn, optionsOf } from '../imports/spreadsheets/sheet.ts'
import { attributes, type Member, members, OPTIONS_MAX } from '../imports/spreadsheets/shopify-columns.ts'
import { isDefaultTitle } from '../imports/spreadsheets/shopify-variant.ts'

/** What is known of a product: its document, and its categories by their names from the top down. */
export type ExportedProduct = { product: Product; categoryPaths: readonly (readonly string[])[] }

/** One row: the product in its first one, a variant and a picture in each. */
type ProductRow = { of: ExportedProduct; first: boolean; variant: Variant | undefined; picture: number }

/** A column: its name, and the cell of each row. */
type Column = readonly [name: string, cell: (row: ProductRow) => string]

/** The first row, and the rows of a product. `currencies` are those that have a column; prices in others stand as JSON. */
export function productRows(currencies: readonly string[]): { header: string; rowsOf(exported: ExportedProduct): string } {
  const priced = currencies.filter(currency => exponents.has(currency)).sort()
  const columns = columnsFor(priced)
  return {
    header: toCsvRow(columns.map(([name]) => name)),
    rowsOf: of => {
      const { variants, media } = of.product
      const count = Math.max(1, variants.length, media.length)
      const rows = Array.from({ length: count }, (_, index) => ({
        of,
        first: index === 0,
        variant: variants[index],
        picture: index
      }))
      return rows.map(row => toCsvRow(columns.map(([, cell]) => cell(row)))).join('')
    }
  }
}

function columnsFor(currencies: readonly string[]): Column[] {
  return [
    ofProduct('title', ({ product }) => text(product.title)),
    [members.handle[0], ({ of }) => codeCell(of.product.slug)],
    ofProduct('description', ({ product }) => text(product.description)),
    ofProduct('brand', ({ product }) => text(product.brand)),
    ofProduct('category', ({ categoryPaths: [path = []] }) => text(path.join(' > ') || undefined)),
    ...attributeColumns('product'),
    ofProduct('published', ({ product }) => String(product.status === 'active').toUpperCase()),
    ofProduct('status', ({ product }) => product.status),
    ofVariant('sku', ({ sku }) => codeCell(sku)),
    ofVariant('barcode', ({ barcode }) => (barcode === undefined ? '' : codeCell(barcode))),
    ...Array.from({ length: OPTIONS_MAX }, (_, index) => optionColumns(index)).flat(),
    ...currencies.map(priceColumn),
    ...attributeColumns('variant'),
    [members.imageUrl[0], ({ of, picture }) => text(of.product.media[picture]?.url)],
    [members.imagePosition[0], ({ of, picture }) => (of.product.media[picture] ? String(picture + 1) : '')],
    [members.imageAlt[0], ({ of, picture }) => text(of.product.media[picture]?.alt)],
    ofProduct('externalId', ({ product }) => (product.externalId === undefined ? '' : codeCell(product.externalId))),
    ofProduct('productId', ({ product }) => product.productId),
    ofProduct('categoryIds', ({ product }) => product.categoryIds.join(' ')),
    ofProduct('categoryPaths', ({ categoryPaths }) => jsonUnless(pathsOf(categoryPaths[0]?.join(' > ')) ?? [], categoryPaths)),
    ofProduct('options', ({ product }) => optionsCell(product)),
    ofProduct('attributes', ({ product }) => leftOver(product.attributes, 'product')),
    ofVariant('variantId', ({ variantId }) => variantId),
    ofVariant('variantTitle', ({ title }) => text(title)),
    ofVariant('variantStatus', ({ status }) => status),
    ofVariant('variantOptions', ({ options }) => (Object.entries(options).some(isDefaultTitle) ? json(options) : '')),
    ofVariant('variantPrices', ({ prices }) => (prices.every(({ currency }) => currencies.includes(currency)) ? '' : json(prices))),
    ofVariant('variantAttributes', each => leftOver(each.attributes, 'variant'))
  ]
}

function ofProduct(member: Member, cell: (exported: ExportedProduct) => string): Column {
  return [members[member][0], ({ of, first }) => (first ? cell(of) : '')]
}

function ofVariant(member: Member, cell: (variant: Variant) => string): Column {
  return [members[member][0], ({ variant }) => (variant ? cell(variant) : '')]
}

function optionColumns(index: number): Column[] {
  const nameOf = ({ of }: ProductRow) => of.product.options[index]?.name
  return [
    [`Option${index + 1} name`, row => (row.first ? text(nameOf(row)) : '')],
    [`Option${index + 1} value`, row => text(optionIn(row.variant?.options, nameOf(row) ?? ''))]
  ]
}

function priceColumn(currency: string): Column {
  return [`Price / ${currency}`, ({ variant }) => variant?.prices.find(price => price.currency === currency)?.amount ?? '']
}

function attributeColumns(level: 'product' | 'variant'): Column[] {
  const own = attributes.filter(column => column.level === level)
  return own.map(({ names, key, as }) => [
    names[0]!,
    ({ of, first, variant }) => {
      const values = level === 'variant' ? variant?.attributes : first ? of.product.attributes : undefined
      const value = values && Object.hasOwn(values, key) ? values[key] : undefined
      return text(value === undefined ? undefined : attributeCell(value, as))
    }
  ])
}

const columnsOf = {
  product: new Map(attributes.filter(({ level }) => level === 'product').map(({ key, as }) => [key, as])),
  variant: new Map(attributes.filter(({ level }) => level === 'variant').map(({ key, as }) => [key, as]))
}

/** The attributes that no column says. */
function leftOver(values: Readonly<Record<string, AttributeValue>>, level: 'product' | 'variant'): string {
  const rest = Object.entries(values).filter(([key, value]) => {
    const as = columnsOf[level].get(key)
    return as === undefined || attributeCell(value, as) === undefined
  })
  return rest.length === 0 ? '' : json(Object.fromEntries(rest))
}

/** What the importer makes of the options of the variants, when that is not all. */
function optionsCell({ options, variants }: Product): string {
  return jsonUnless(
    optionsOf(
      options.map(({ name }) => name),
      variants
    ) ?? [],
    options
  )
}

function text(value: string | undefined): string {
  return value === undefined ? '' : toCell(value)
}

function json(value: unknown): string {
  return toCell(JSON.stringify(value))
}

function jsonUnless(told: unknown, value: unknown): string {
  return canonical(told) === canonical(value) ? '' : json(value)
}
