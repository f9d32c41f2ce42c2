import type { Product } from '#contracts/resources/product.ts'
import { bigints, texts, uuids } from '#platform/postgres/arrays.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { type PriceRange, priceRangesOf } from './price-ranges.ts'

/** Keeps what products cost, which listings are filtered and sorted by, in step with their variants. Writes what differs only. */
export function storePriceRanges(tx: Transaction, changes: readonly { before: Product | null; after: Product }[]): void {
  const gone: { productId: string; currency: string }[] = []
  const differing: (PriceRange & { productId: string })[] = []
  for (const { before, after } of changes) {
    const { productId } = after
    const [old, now] = [priceRangesOf(before ?? { variants: [] }), priceRangesOf(after)]
    for (const currency of old.keys()) if (!now.has(currency)) gone.push({ productId, currency })
    for (const range of now.values()) if (!same(old.get(range.currency), range)) differing.push({ productId, ...range })
  }
  if (gone.length > 0) {
    tx.send(
      `delete from product_prices using unnest($1::uuid[], $2::text[]) as g (product_id, currency)
       where product_prices.product_id = g.product_id and product_prices.currency = g.currency`,
      [uuids(gone.map(each => each.productId)), texts(gone.map(each => each.currency))]
    )
  }
  if (differing.length === 0) return
  tx.send(
    `insert into product_prices (product_id, currency, min_minor, max_minor)
     select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[])
     on conflict (product_id, currency) do update set min_minor = excluded.min_minor, max_minor = excluded.max_minor`,
    [
      uuids(differing.map(each => each.productId)),
      texts(differing.map(each => each.currency)),
      bigints(differing.map(each => each.minMinor)),
      bigints(differing.map(each => each.maxMinor))
    ]
  )
}

function same(a: PriceRange | undefined, b: PriceRange): boolean {
  return a?.minMinor === b.minMinor && a.maxMinor === b.maxMinor
}
