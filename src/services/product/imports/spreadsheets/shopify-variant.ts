import type { Row } from '#platform/text/csv.ts'
import type { Price } from '../../pricing/price.ts'
import type { AttributeValue } from './attribute-columns.ts'
import { codeIn, textIn } from './cells.ts'
import { priceOf } from './price-cell.ts'
import { withJson } from './row-attributes.ts'
import { given, type Sheet } from './sheet.ts'
import type { ShopifyColumns } from './shopify-columns.ts'
import { skuFrom } from './sku-from.ts'

/** The name of each option, where it has one. */
export type OptionNames = readonly (string | undefined)[]

/** The names of the options, which stand in the first row of a product, or in each. */
export function optionNamesOf(sheet: Sheet, { options }: ShopifyColumns): OptionNames {
  return options.map(({ name }) => sheet.first(name))
}

type Known = { handle: string; optionNames: OptionNames; attributes: Record<string, AttributeValue> }

/** The variant in a row; undefined when the row has none, only a picture or what is said of the product. */
export function variantOf(sheet: Sheet, row: Row, at: ShopifyColumns, known: Known): Record<string, unknown> | undefined {
  const { places } = at
  const { cells } = row
  const tellers = [places.sku, places.barcode, places.price, places.quantity, places.variantId]
  const telling = [...tellers, ...at.options.map(({ value }) => value), ...at.prices.map(({ place }) => place)]
  if (telling.every(place => textIn(cells, place) === undefined)) return undefined
  const options = optionsIn(sheet, row, at, known.optionNames)
  return given({
    variantId: textIn(cells, places.variantId),
    sku: codeIn(cells, places.sku)?.trim() || skuFrom(known.handle, Object.values(options)),
    title: textIn(cells, places.variantTitle),
    status: textIn(cells, places.variantStatus),
    options: sheet.json(row, places.variantOptions) ?? (Object.keys(options).length === 0 ? undefined : options),
    barcode: codeIn(cells, places.barcode),
    attributes: withJson(known.attributes, sheet.json(row, places.variantAttributes)),
    prices: sheet.json(row, places.variantPrices) ?? pricesIn(sheet, row, at),
    inventory: inventoryIn(sheet, row, at)
  })
}

/** Names that JSON from outside may not have either. */
const refusedNames = new Set(['__proto__', 'constructor', 'prototype'])

function optionsIn(sheet: Sheet, row: Row, { options }: ShopifyColumns, names: OptionNames): Record<string, string> {
  const values = new Map<string, string>()
  for (const [index, { value: place }] of options.entries()) {
    const name = names[index]
    const value = textIn(row.cells, place)
    if (value === undefined || isDefaultTitle([name, value])) continue
    if (name === undefined) sheet.tell(row, place!, 'option-name', `The value ${value} is of an option that has no name`)
    else if (values.has(name) || refusedNames.has(name))
      sheet.tell(row, place!, 'option-name', `The name ${name} is taken or not allowed`)
    else values.set(name, value)
  }
  return Object.fromEntries(values)
}

/** What Shopify says of a product that has no options. */
export function isDefaultTitle([name, value]: readonly [name: string | undefined, value: string]): boolean {
  return name?.toLowerCase() === 'title' && value === 'Default Title'
}

function pricesIn(sheet: Sheet, row: Row, { places, prices }: ShopifyColumns): Price[] | undefined {
  const columns = places.price === undefined ? prices : [{ place: places.price, currency: null }, ...prices]
  const found = columns.flatMap(({ place, currency }) => {
    const text = textIn(row.cells, place)
    if (text === undefined) return []
    const price = priceOf(text, { column: currency, file: sheet.currency })
    if ('amount' in price) return [price]
    sheet.tell(row, place, price.code, price.detail)
    return []
  })
  return found.length === 0 ? undefined : found
}

/** Shopify's shops may owe units, counting below zero: then nothing is on hand. */
function inventoryIn(sheet: Sheet, row: Row, { places }: ShopifyColumns): object | undefined {
  const tracked = places.tracker === undefined ? undefined : textIn(row.cells, places.tracker) !== undefined
  const quantity = textIn(row.cells, places.quantity)?.trim()
  if (quantity !== undefined && !/^-?\d{1,10}$/.test(quantity)) {
    sheet.tell(row, places.quantity!, 'number', 'A quantity is a whole number')
    return undefined
  }
  const onHand = quantity === undefined || tracked === false ? undefined : Math.max(0, Number(quantity))
  return tracked === undefined && onHand === undefined ? undefined : given({ onHand, tracked })
}
