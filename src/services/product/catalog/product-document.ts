/** A product as the text that is served, and that its events carry. */
import { Problem } from '#contracts/problems.ts'
import type { Product } from '#contracts/resources/product.ts'
import { EVENT_BYTES_MAX } from '#platform/messaging/outbox.ts'

/** What the envelope and `changedFields` take of the bytes that an event may have. */
const ENVELOPE_BYTES_MAX = 2048

/** The text that is served. Throws `payload-too-large` for a product that no event could carry. */
export function documentOf(product: Product): string {
  const text = JSON.stringify(product)
  const bytesMax = EVENT_BYTES_MAX - ENVELOPE_BYTES_MAX
  // No character has more than three bytes in UTF-8 for each unit of its length.
  const bytes = text.length * 3 > bytesMax ? Buffer.byteLength(text) : 0
  if (bytes > bytesMax) {
    throw new Problem('payload-too-large', `The product with all its variants would have ${bytes} bytes; ${bytesMax} are allowed`)
  }
  return text
}
