/** Shopify's product CSV: the rows of one handle are one product, each with a variant, a picture, or both. */
import { slugOf } from '../../catalog/slug.ts'
import { pathsOf } from './category-cell.ts'
import { codeIn, textIn } from './cells.ts'
import { attributesOf, withJson } from './row-attributes.ts'
import type { RowFormat } from './row-format.ts'
import { given, optionsOf, type Sheet } from './sheet.ts'
import { type Member, members, type ShopifyColumns, shopifyColumns } from './shopify-columns.ts'
import { optionNamesOf, variantOf } from './shopify-variant.ts'

export const shopify: RowFormat = {
  knownBy: 'Handle or URL handle, and Title (Shopify products)',
  open(columns) {
    const names = new Set(columns.map(column => column.toLowerCase()))
    const has = (member: Member) => members[member].some(name => names.has(name.toLowerCase()))
    if (!has('handle') || !has('title')) return undefined
    const at = shopifyColumns(columns)
    return { keyOf: cells => handleOf(cells, at), toProduct: sheet => productOf(sheet, at) }
  }
}

/** The handle in a row, else the one that Shopify makes of the title; empty when there is neither, or the row ends before. */
function handleOf(cells: readonly string[], { places }: ShopifyColumns): string {
  if (places.handle! >= cells.length) return ''
  const handle = codeIn(cells, places.handle)?.trim()
  return handle || slugOf(cells[places.title!] ?? '', '')
}

function productOf(sheet: Sheet, at: ShopifyColumns): Record<string, unknown> {
  const { places } = at
  const handle = handleOf(sheet.rows[0]!.cells, at)
  const optionNames = optionNamesOf(sheet, at)
  const attributes = attributesOf(sheet, at.attributes)
  const variants = sheet.rows.flatMap<Record<string, unknown>>(
    row => variantOf(sheet, row, at, { handle, optionNames, attributes: attributes.ofRow(row) }) ?? []
  )
  return given({
    productId: sheet.first(places.productId),
    externalId: places.externalId === undefined ? handle : sheet.firstCode(places.externalId),
    title: sheet.first(places.title),
    slug: slugFrom(handle),
    status: statusOf(sheet.first(places.status), sheet.first(places.published)),
    description: sheet.first(places.description),
    brand: sheet.first(places.brand),
    categoryIds: sheet.first(places.categoryIds)?.split(/[\s,]+/),
    categoryPaths: sheet.firstJson(places.categoryPaths) ?? pathsOf(sheet.first(places.category)),
    attributes: withJson(attributes.ofProduct, sheet.firstJson(places.attributes)),
    media: mediaOf(sheet, at),
    options: sheet.firstJson(places.options) ?? optionsOf(optionNames, variants),
    variants: variants.length === 0 ? undefined : variants
  })
}

const lawfulSlug = /^[a-z0-9]+(-[a-z0-9]+)*$/

/** The handle, which is where the product is found; made lawful when it is not. */
function slugFrom(handle: string): string | undefined {
  return lawfulSlug.test(handle) ? handle : slugOf(handle, '') || undefined
}

/** What is not published is not sold, whatever the status says. */
function statusOf(status: string | undefined, published: string | undefined): string | undefined {
  const said = status?.toLowerCase()
  const hidden = published?.toLowerCase() === 'false'
  if (hidden && said !== 'archived') return 'draft'
  return said ?? (published?.toLowerCase() === 'true' ? 'active' : undefined)
}

function mediaOf({ rows }: Sheet, { places }: ShopifyColumns): object[] | undefined {
  const pictures = rows.flatMap(({ cells }, index) => {
    const url = textIn(cells, places.imageUrl)?.trim()
    const position = Number(textIn(cells, places.imagePosition) || Number.NaN)
    return url ? [{ url, alt: textIn(cells, places.imageAlt), position, index }] : []
  })
  // Files that repeat the picture of the product in each of its rows mean one picture.
  const distinct = new Map(pictures.map(picture => [`${picture.position} ${picture.url}`, picture]))
  const inOrder = [...distinct.values()].sort((a, b) => (a.position || Infinity) - (b.position || Infinity) || a.index - b.index)
  return inOrder.length === 0 ? undefined : inOrder.map(({ url, alt }) => given({ url, alt }))
}
