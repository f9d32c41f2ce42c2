import { ProductViewed } from '#contracts/events/product-events.ts'
import type { catalogOperations } from '#contracts/http/product-catalog.ts'
import { Problem } from '#contracts/problems.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import { announce } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'

/** Says that somebody looked at a product, or at one of its variants. */
export async function recordProductView(
  tx: Transaction,
  { params: { productId }, body }: Input<typeof catalogOperations.recordProductView>
): Promise<undefined> {
  const [seen] = await tx.query(
    `select from products where product_id = $1
       and ($2::uuid is null or exists (select from variants where variant_id = $2 and product_id = $1))`,
    [productId, body.variantId ?? null]
  )
  if (!seen) throw new Problem('not-found')
  announce(tx, ProductViewed, { viewId: newId(), productId, ...body }, 1)
}
