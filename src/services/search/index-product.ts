import type { searchApi } from '#contracts/http/search-api.ts'
import type { Input, Output } from '#platform/http/handlers.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { hideEntry, listEntry } from './index-entry.ts'

type Operation = typeof searchApi.operations.indexProduct

/** Takes a product that somebody hands over; events tell of it all the same, and the newer news counts. */
export async function indexProduct(tx: Transaction, { body }: Input<Operation>): Promise<Output<Operation>> {
  const { productId, sequence = null, status = 'active' } = body
  if (status !== 'active') {
    await hideEntry(tx, { productId, sequence })
  } else {
    // Of two prices in one currency the last counts.
    const prices = new Map((body.prices ?? []).map(price => [price.currency, price]))
    await listEntry(
      tx,
      { productId, sequence },
      {
        title: body.title,
        slug: body.slug ?? null,
        brand: body.brand ?? null,
        description: body.description ?? '',
        skus: body.skus ?? [],
        categoryIds: body.categoryIds ?? [],
        variantIds: null,
        prices: [...prices.values()],
        updatedAt: new Date().toISOString()
      }
    )
  }
  return { productId, status: 'accepted' }
}
