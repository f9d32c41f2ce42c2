/** Products with stock, orders about them, and the proof that the books are right: for tests of inventory. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import { createProduct } from '../../src/services/product/catalog/create-product.ts'
import { createReservation } from '../../src/services/product/inventory/create-reservation.ts'
import { getReconciliation } from '../../src/services/product/inventory/get-reconciliation.ts'
import { readInventories } from '../../src/services/product/inventory/inventory.ts'
import type { ProductDatabase } from './product-database.ts'

export type Stocked = { productId: string; variantId: string; sku: string }

/** An active product of one variant with so many units on hand. */
export async function stocked(db: ProductDatabase, onHand: number, lowStockThreshold: number | null = null): Promise<Stocked> {
  const sku = randomUUID()
  const product = await db.write(createProduct, {
    body: { title: 'Thing', status: 'active', variants: [{ sku, inventory: { onHand, lowStockThreshold } }] }
  })
  return { productId: product.productId, variantId: product.variants[0]!.variantId, sku }
}

/** Asks for stock as the edge does: a list of requests in one transaction. */
export async function reserve(
  db: ProductDatabase,
  items: readonly { variantId: string; quantity: number }[],
  more: { orderId?: string; ttlSeconds?: number } = {}
): Promise<Reservation | Problem> {
  const body = { orderId: randomUUID(), ...more, items: [...items] }
  const [result] = await db.batch(createReservation, [{ body }])
  return result!
}

/** A reservation that was asked for and is there. */
export async function held(asked: Promise<Reservation | Problem>): Promise<Reservation> {
  const reservation = await asked
  assert.ok(!(reservation instanceof Problem), String(reservation))
  return reservation
}

export async function inventoryOf(db: ProductDatabase, { variantId }: Stocked) {
  const [inventory] = await readInventories(db.database, [variantId])
  return { onHand: inventory!.onHand, reserved: inventory!.reserved, available: inventory!.available }
}

/** Ledger = counters = Σ open reservations, and nothing oversold. */
export async function assertReconciled(db: ProductDatabase): Promise<void> {
  const { drift, oversold, data } = await db.read(getReconciliation, {})
  assert.deepEqual({ drift, oversold, data }, { drift: 0, oversold: 0, data: [] })
}
