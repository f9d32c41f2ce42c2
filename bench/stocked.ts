/** Products with stock for any number of reservations, made through the API. */
import { saying } from './progress.ts'
import type { Shop } from './shop.ts'

const VARIANTS_EACH = 100
const ON_HAND = 1_900_000_000
let serial = 0

/** Puts so many SKUs in a catalog and gives their ids. */
export async function stock({ client }: Shop, skus: number): Promise<string[]> {
  const variantIds: string[] = []
  using _ = saying('stocking SKUs', () => `${variantIds.length.toLocaleString('en-US')} of ${skus.toLocaleString('en-US')}`)
  while (variantIds.length < skus) {
    const values = Array.from({ length: Math.min(VARIANTS_EACH, skus - variantIds.length) }, (_, size) => String(size))
    const prefix = `SKU-${++serial}`
    const product = {
      title: 'Trail shoe',
      slug: prefix.toLowerCase(),
      status: 'active',
      options: [{ name: 'Size', values }],
      variants: values.map(size => ({
        sku: `${prefix}-${size}`,
        options: { Size: size },
        prices: [{ amount: '89.90', currency: 'EUR' }],
        inventory: { onHand: ON_HAND }
      }))
    }
    const { status, body } = await client.call<{ variants: { variantId: string }[] }>('POST', '/v1/products', { body: product })
    if (status !== 201) throw new Error(`a product was refused: ${JSON.stringify(body)}`)
    variantIds.push(...body.variants.map(({ variantId }) => variantId))
  }
  return variantIds
}

/**
 * Lets PostgreSQL know what has become of tables that were empty a moment ago, as autovacuum does within a minute. Until then it may scan them
 * whole, by plans made when there was nothing in them.
 */
export async function analyze({ database }: Shop): Promise<void> {
  await database.query('analyze')
}

/** Whether every counter of a shop is what its reservations say. */
export async function booksOf({ client }: Shop): Promise<string> {
  const { body } = await client.call<{ drift: number; oversold: number }>('GET', '/v1/inventory/reconciliation')
  return `drift ${body.drift}, oversold ${body.oversold}`
}
