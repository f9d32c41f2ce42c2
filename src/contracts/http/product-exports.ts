/** Taking the catalog out, over HTTP. */
import { Type } from 'typebox'
import type { Operation } from '../define.ts'
import { ImportProduct } from '../resources/import.ts'
import { Product } from '../resources/product.ts'

const snapshot =
  'Everything is from one moment, however long it takes to read. The header Event-Position says which event of the log was the last one by then: reading events from that position on misses nothing. What comes back imports to the same catalog.'

const headers = {
  'Event-Position': Type.Integer({
    minimum: 0,
    format: 'int64',
    description: 'Of the last event in the log at that moment: read on from there, with `after` of GET /v1/events'
  })
}

const ExportedProduct = Type.Object(
  { ...Product.properties, categoryPaths: ImportProduct.properties.categoryPaths },
  { title: 'ExportedProduct' }
)

export const exportOperations = {
  exportProducts: {
    method: 'GET',
    path: '/v1/exports/products.ndjson',
    tag: 'Exports',
    summary: 'Take all products out, one JSON object a line',
    description: `Each line is a product as it is served, with the names of its categories as categoryPaths. ${snapshot}`,
    scope: 'catalog:read',
    reply: {
      status: 200,
      mediaType: 'application/x-ndjson',
      body: ExportedProduct,
      headers,
      description: 'The products, oldest first'
    }
  },
  exportProductsAsCsv: {
    method: 'GET',
    path: '/v1/exports/products.csv',
    tag: 'Exports',
    summary: 'Take all products out, as a spreadsheet',
    description: `The columns are those of Shopify's product format, and more of our own for what it does not have. ${snapshot}`,
    scope: 'catalog:read',
    reply: { status: 200, mediaType: 'text/csv', headers, description: 'The products, oldest first, a row for each variant' }
  }
} as const satisfies Record<string, Operation>
