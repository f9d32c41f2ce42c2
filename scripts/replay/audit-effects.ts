/**
 * Compares what the shop acknowledged to the replay with what its database holds. Deliberately blind to inboxes and outboxes: an event
 * that took effect twice, or not at all, shows in what it did.
 */
import type { AuditDatabase } from './audit-database.ts'
import type { Finding } from './findings.ts'
import type { Played } from './play.ts'

const EXAMPLES = 5

export async function auditEffects(database: AuditDatabase, played: Played): Promise<Finding[]> {
  const { orders, products, returns } = played
  await database.query('create temp table acknowledged as select $1::jsonb as what', [
    JSON.stringify({ orders, products, returns })
  ])
  await database.query(acknowledged)
  const findings: Finding[] = []
  for (const [what, sql] of Object.entries(checks)) {
    const rows = await database.query<{ example: string; lost: number; twice: number }>(sql)
    if (rows.length === 0) continue
    const sum = (of: 'lost' | 'twice') => rows.reduce((total, row) => total + row[of], 0)
    findings.push({ what, lost: sum('lost'), twice: sum('twice'), examples: rows.slice(0, EXAMPLES).map(row => row.example) })
  }
  await database.query('drop table acknowledged cascade')
  return findings
}

const acknowledged = `
  create temp table known_orders on commit preserve rows as
    select "orderId" as order_id, invoice, status, lines
    from acknowledged, jsonb_to_recordset(what->'orders') as o ("orderId" text, invoice text, status text, lines jsonb);
  create temp table known_lines as
    select order_id, invoice, status, "variantId" as variant_id, sum(quantity) as quantity
    from known_orders, jsonb_to_recordset(lines) as l ("variantId" uuid, quantity bigint) group by 1, 2, 3, 4;
  create temp table known_products as
    select sku, "variantId" as variant_id, "productId" as product_id, opening
    from acknowledged, jsonb_to_recordset(what->'products') as p (sku text, "variantId" uuid, "productId" uuid, opening bigint);
  create temp table known_returns as
    select invoice, "variantId" as variant_id, sum(quantity) as quantity
    from acknowledged, jsonb_to_recordset(what->'returns') as r (invoice text, lines jsonb),
      jsonb_to_recordset(lines) as l ("variantId" uuid, quantity bigint) group by 1, 2;
  analyze known_orders, known_lines, known_products, known_returns`

/** Too little of something is lost, too much of it was counted twice. */
const tooLittleOrTooMuch = `greatest(coalesce(expected, 0) - coalesce(actual, 0), 0) as lost,
  greatest(coalesce(actual, 0) - coalesce(expected, 0), 0) as twice`

/** Each answers a row (example, lost, twice) for every single thing that is not as acknowledged; none when all is. */
const checks: Readonly<Record<string, string>> = {
  'products acknowledged': `
    select sku as example, 1 as lost, 0 as twice from known_products k
    where not exists (select from product.variants v where v.variant_id = k.variant_id and v.product_id = k.product_id and v.sku = k.sku)`,

  'orders acknowledged': `
    select format('order %s of invoice %s: %s, acknowledged as %s', order_id, invoice, o.status, k.status) as example,
      (o.order_id is null or (k.order_id is not null and o.status <> k.status))::integer as lost, (k.order_id is null)::integer as twice
    from known_orders k full join "order".orders o using (order_id) where o.status is distinct from k.status`,

  // Every change of an order makes one version: its answer, its confirmation, its end.
  'changes of orders': `
    select format('order %s, %s: version %s instead of %s', order_id, status, actual, expected) as example, ${tooLittleOrTooMuch}
    from (
      select order_id, status, version as actual,
        1 + (status <> 'pending')::integer + paid::integer + (status in ('completed', 'cancelled'))::integer as expected
      from "order".orders
    ) o where actual <> expected`,

  'answers to orders': `
    select format('order %s is %s, its reservation %s', order_id, o.status, coalesce(r.status, 'missing')) as example, 1 as lost, 0 as twice
    from "order".orders o left join product.reservations r using (order_id)
    where (o.status, coalesce(r.status, 'missing')) not in
      (('confirmed', 'reserved'), ('completed', 'committed'), ('cancelled', 'released'), ('rejected', 'rejected'))`,

  'announcements of orders': `
    with expected as (
      select order_id as key, type, 1 as expected from "order".orders,
        unnest(array['OrderCreated',
          case when paid then 'OrderConfirmed' end,
          case status when 'completed' then 'OrderCompleted' when 'cancelled' then 'OrderCancelled' end,
          case when status = 'rejected' then 'InventoryReservationFailed' when status <> 'pending' then 'InventoryReserved' end,
          case status when 'completed' then 'InventoryCommitted' when 'cancelled' then 'InventoryReleased' end]) as type
      where type is not null
    ), actual as (
      select key, type, count(*) as actual from (
        select key, type from "order".event_log
        union all select key, type from product.event_log where subject like 'order/%'
      ) e group by key, type
    )
    select format('%s of order %s: %s', type, key, coalesce(actual, 0)) as example, ${tooLittleOrTooMuch}
    from expected full join actual using (key, type) where expected is distinct from actual`,

  'units of orders in the ledger': `
    with expected as (
      select order_id, variant_id, kind, sum(quantity) as expected
      from known_lines join (values ('confirmed', 'reserve'), ('completed', 'reserve'), ('completed', 'commit'),
        ('cancelled', 'reserve'), ('cancelled', 'release')) as k (status, kind) using (status) group by 1, 2, 3
    ), actual as (
      select order_id, variant_id, kind, sum(abs(delta_reserved)) as actual
      from product.stock_ledger where order_id is not null group by 1, 2, 3
    )
    select format('order %s, variant %s: %s of %s instead of %s', order_id, variant_id, kind, coalesce(actual, 0), coalesce(expected, 0)) as example,
      ${tooLittleOrTooMuch}
    from expected full join actual using (order_id, variant_id, kind) where expected is distinct from actual`,

  'units of returns in the ledger': `
    with actual as (
      select note as invoice, variant_id, sum(delta_on_hand) as actual from product.stock_ledger where reason = 'returned' group by 1, 2
    )
    select format('return %s, variant %s: %s instead of %s', invoice, variant_id, coalesce(actual, 0), coalesce(expected, 0)) as example,
      ${tooLittleOrTooMuch}
    from (select invoice, variant_id, quantity as expected from known_returns) e full join actual using (invoice, variant_id)
    where expected is distinct from actual`,

  'opening stock in the ledger': `
    select format('%s: %s received instead of %s', sku, actual, expected) as example, ${tooLittleOrTooMuch}
    from (
      select sku, opening as expected,
        (select coalesce(sum(delta_on_hand), 0) from product.stock_ledger l where l.variant_id = k.variant_id and kind = 'receive') as actual
      from known_products k
    ) p where expected <> actual`,

  // Without the ledger: from the counters alone, less what came back.
  'units that left': `
    select format('%s: %s left instead of %s', sku, actual, expected) as example, ${tooLittleOrTooMuch}
    from (
      select sku, opening - (select coalesce(sum(on_hand), 0) from product.stock_levels l where l.variant_id = k.variant_id) as actual,
        coalesce(sold.quantity, 0) - coalesce(returned.quantity, 0) as expected
      from known_products k
        left join (select variant_id, sum(quantity) as quantity from known_lines where status = 'completed' group by 1) sold using (variant_id)
        left join (select variant_id, sum(quantity) as quantity from known_returns group by 1) returned using (variant_id)
    ) p where expected <> actual`,

  'products in search': `
    select format('product %s: news %s instead of %s', product_id, coalesce(s.sequence, 0), p.sequence) as example, 1 as lost, 0 as twice
    from product.products p left join search.products s using (product_id)
    where p.status = 'active' and (s.state is distinct from 'listed' or s.sequence <> p.sequence)`,

  'stock in search': `
    select format('variant %s: news %s instead of %s', l.variant_id, coalesce(s.sequence, 0), l.version) as example, 1 as lost, 0 as twice
    from product.stock_levels l left join search.stock_levels s using (variant_id, location_id)
    where coalesce(s.sequence, 1) <> l.version or coalesce(s.available, 0) <> l.on_hand - l.reserved - l.safety_stock`
}
