import { slugOf } from '../../catalog/slug.ts'

const SKU_LENGTH_MAX = 64

/**
 * A SKU for a variant that comes without one, as many of small shops do: made of its product's handle and the values of its options, so
 * that the same file says the same SKUs whenever it is read.
 */
export function skuFrom(handle: string, values: readonly string[]): string {
  const sku = [handle, ...values].map(asciiOf).join('-')
  return sku.length <= SKU_LENGTH_MAX ? sku : `${sku.slice(0, SKU_LENGTH_MAX - 9)}-${digestOf(sku)}`
}

/** Printable ASCII, with a digest of what cannot be said in it. */
function asciiOf(text: string): string {
  const joined = text.trim().replace(/\s+/g, '-')
  return /^[\x21-\x7e]*$/.test(joined) ? joined : [slugOf(joined, ''), digestOf(joined)].filter(Boolean).join('-')
}

/** FNV-1a: it has to tell a few values apart, and to be the same for ever. */
function digestOf(text: string): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
