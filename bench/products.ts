/** Products as a file brings them in, and as they are then stored: 1.4 kB each, with three variants. */
import { randomUUID } from 'node:crypto'

export type SampleProduct = { slug: string; variants: { sku: string; prices: object[]; options: object }[] } & Record<
  string,
  unknown
>

export function productsOf(count: number, name: string): SampleProduct[] {
  const description = 'A light shoe for stony paths, with a sole that grips on wet rock and dries in an hour. '.repeat(2)
  return Array.from({ length: count }, (_, n) => ({
    externalId: `${name}-${n}`,
    title: `Trail shoe ${n}`,
    slug: `${name}-trail-shoe-${n}`,
    status: 'active',
    brand: 'Fernweg',
    description,
    attributes: { material: 'mesh', waterproof: false, weightGrams: 280 + (n % 100) },
    options: [{ name: 'Size', values: ['41', '42', '43'] }],
    variants: ['41', '42', '43'].map(size => ({
      sku: `${name}-${n}-${size}`,
      options: { Size: size },
      prices: [{ amount: '89.90', currency: 'EUR' }]
    }))
  }))
}

/** The document that becomes of it. */
export function documentOf({ variants, ...product }: SampleProduct): { productId: string; slug: string } & Record<string, unknown> {
  const productId = randomUUID()
  const at = new Date().toISOString()
  const made = { version: 1, createdAt: at, updatedAt: at }
  return {
    productId,
    ...product,
    categoryIds: [],
    media: [],
    variants: variants.map(({ sku, options, prices }) => ({
      variantId: randomUUID(),
      productId,
      sku,
      status: 'active',
      options,
      attributes: {},
      prices,
      ...made
    })),
    ...made
  }
}
