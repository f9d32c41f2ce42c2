import type { StoredDocument } from '#platform/http/handlers.ts'
import type { Queryable } from '#platform/postgres/database.ts'

/** What `getProduct` serves: many products in one read, as the texts that were written when they changed. */
export function loadProducts(database: Queryable, ids: readonly string[]): Promise<StoredDocument[]> {
  return database.query<StoredDocument>(
    'select product_id as id, version, document as text from products where product_id = any($1::uuid[])',
    [ids]
  )
}
