/**
 * Whether something of a product can be promised now, as SQL. No index helps: the counters change thousands of times a second, and an
 * index on them would make each change dearer. What lapsed reservations still hold counts as available, as everywhere (inventory.ts).
 */
export function inStock(productId: string): string {
  return `coalesce((
    select true from variants v join stock_items i using (variant_id) left join stock_levels l using (variant_id) left join locations o using (location_id)
    where v.product_id = ${productId} and v.status = 'active'
      and (not i.tracked or (o.active and l.on_hand - l.reserved - l.safety_stock > 0) or v.variant_id in (${withLapsed}))
    limit 1), false)`
}

/** Variants of which something is available again as soon as lapsed reservations are swept. */
const withLapsed = `
  select h.variant_id from reservations r join reservation_lines h using (reservation_id)
    join stock_levels l using (variant_id, location_id) join locations o using (location_id)
  where r.status = 'reserved' and r.expires_at <= now() and o.active
  group by h.variant_id, l.location_id, l.on_hand, l.reserved, l.safety_stock
  having l.on_hand - l.reserved - l.safety_stock + sum(h.quantity) > 0`
