import type { Transaction } from '#platform/postgres/database.ts'

/**
 * Until the transaction ends, names stay as they are (`to read`, shared), or nobody copies them into products (`to write`).
 * Without it, a product and the new name of its category, indexed at the same moment, would miss each other.
 */
export function lockCategoryNames(tx: Transaction, purpose: 'to read' | 'to write'): Promise<unknown> {
  const shared = purpose === 'to read' ? '_shared' : ''
  return tx.query(`select pg_advisory_xact_lock${shared}(hashtextextended('category names', 0))`)
}
