import { Problem } from '#contracts/problems.ts'
import type { Product, Variant } from '#contracts/resources/product.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { variantIn } from './variant.ts'

/**
 * A product whose row is locked until the transaction ends. Every change of a product, its variants or prices begins here, so that
 * changes of one product follow one another, and their events too. Stock levels are locked after it, never before.
 */
export type LockedProduct = {
  product: Product
  /** The number of the last event that tells of the product itself. */
  sequence: number
  /** The time of the change, taken under the lock so that it does not run backwards within one product. */
  at: string
}

type LockedRow = { document: string; sequence: number }

/** Locks a product. Throws `not-found`. */
export async function lockProduct(tx: Transaction, productId: string): Promise<LockedProduct> {
  const rows = await tx.query<LockedRow>('select document, sequence from products where product_id = $1 for update', [productId])
  return lockedOf(rows)
}

/** Locks the product that a variant belongs to. Throws `not-found`. */
export async function lockProductOf(tx: Transaction, variantId: string): Promise<LockedProduct & { variant: Variant }> {
  const rows = await tx.query<LockedRow>(
    `select document, sequence from products
     where product_id = (select product_id from variants where variant_id = $1) for update`,
    [variantId]
  )
  const locked = lockedOf(rows)
  // Whoever held the lock before may have deleted the variant.
  return { ...locked, variant: variantIn(locked.product, variantId) }
}

function lockedOf([row]: LockedRow[]): LockedProduct {
  if (!row) throw new Problem('not-found')
  return { product: JSON.parse(row.document), sequence: row.sequence, at: new Date().toISOString() }
}
