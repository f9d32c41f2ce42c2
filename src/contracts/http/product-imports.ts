/** Bringing a catalog in by file, over HTTP. */
import { Type } from 'typebox'
import type { Operation } from '../define.ts'
import { Import, ImportError, ImportList, ImportProduct, ImportStatus } from '../resources/import.ts'
import { Currency } from '../resources/money.ts'
import { closed, Id, page } from '../resources/primitives.ts'

const importId = Type.Object({ importId: Id('The import') })

export const importOperations = {
  listImports: {
    method: 'GET',
    path: '/v1/imports',
    tag: 'Imports',
    summary: 'List imports, latest first',
    scope: 'catalog:read',
    query: Type.Object({ ...page, status: Type.Optional(ImportStatus) }, closed),
    reply: { status: 200, body: ImportList, description: 'A page of imports' },
    problems: ['invalid-cursor']
  },
  createImport: {
    method: 'POST',
    path: '/v1/imports',
    tag: 'Imports',
    summary: 'Bring products in from a file',
    description:
      'The body is the file: one ImportProduct a line (application/x-ndjson), or a spreadsheet in the product format of Shopify or the feed format of Google Merchant (text/csv, text/tab-separated-values). It is kept as it comes and read afterwards; products that are known by externalId, productId or SKU are changed where they differ, others are created. Faults of one product do not stop the others.',
    scope: 'imports:write',
    query: Type.Object(
      {
        currency: Type.Optional({ ...Currency, description: 'Of prices that do not name theirs' }),
        dryRun: Type.Optional(Type.Boolean({ default: false, description: 'Try everything and keep nothing' }))
      },
      closed
    ),
    consumes: { 'application/x-ndjson': ImportProduct, 'text/csv': null, 'text/tab-separated-values': null },
    reply: { status: 202, body: Import, description: 'The file is here; see how far it is at Location' },
    location: '/v1/imports/{importId}'
  },
  getImport: {
    method: 'GET',
    path: '/v1/imports/{importId}',
    tag: 'Imports',
    summary: 'See how far an import is',
    scope: 'catalog:read',
    params: importId,
    reply: { status: 200, body: Import, description: 'The import as it is now' },
    conditional: true
  },
  cancelImport: {
    method: 'POST',
    path: '/v1/imports/{importId}/cancel',
    tag: 'Imports',
    summary: 'Stop an import; what it brought in stays',
    scope: 'imports:write',
    params: importId,
    reply: { status: 200, body: Import, description: 'The import as it is now' },
    problems: ['illegal-transition'],
    conditional: true
  },
  getImportErrors: {
    method: 'GET',
    path: '/v1/imports/{importId}/errors',
    tag: 'Imports',
    summary: 'Read what is wrong with the products of an import',
    description: 'One error a line, in the order of the file.',
    scope: 'catalog:read',
    params: importId,
    reply: { status: 200, body: ImportError, mediaType: 'application/x-ndjson', description: 'The errors, one a line' }
  }
} as const satisfies Record<string, Operation>
