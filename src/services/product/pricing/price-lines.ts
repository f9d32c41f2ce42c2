/** Reading what is known of prices: when those of lists applied or will, and what the base price was. */
import type { Queryable } from '#platform/postgres/database.ts'
import type { PriceLine, PricePeriod } from './effective-price.ts'

/** Minor units as text: the largest amounts of currencies with four decimals are beyond 2^53. */
type PeriodRow = {
  variant_id: string
  currency: string
  price_id: string
  price_list_id: string
  channel: string
  customer_group: string
  priority: number
  min_quantity: number
  minor: string
  starts_at: string | null
  ends_at: string | null
  from_at: string
  to_at: string | null
  from_cause: string
  from_actor: string
  to_cause: string
  to_actor: string
}

export type VariantPeriod = PricePeriod & { variantId: string; currency: string }

/** The periods of variants that a condition on `price_periods` selects. */
export async function readPeriods(database: Queryable, condition: string, values: readonly unknown[]): Promise<VariantPeriod[]> {
  const rows = await database.query<PeriodRow>(
    `select variant_id, currency, price_id, price_list_id, channel, customer_group, priority, min_quantity, amount_minor::text as minor,
       starts_at, ends_at, from_at, to_at, from_cause, from_actor, to_cause, to_actor
     from price_periods ${condition}`,
    values
  )
  return rows.map(row => ({
    variantId: row.variant_id,
    currency: row.currency,
    priceListId: row.price_list_id,
    priceId: row.price_id,
    channel: row.channel,
    customerGroup: row.customer_group,
    priority: row.priority,
    minQuantity: row.min_quantity,
    minor: BigInt(row.minor),
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    from: Date.parse(row.from_at),
    to: row.to_at === null ? Number.POSITIVE_INFINITY : Date.parse(row.to_at),
    began: { cause: row.from_cause, actor: row.from_actor },
    ended: { cause: row.to_cause, actor: row.to_actor }
  }))
}

/** What is known of the prices of variants in a currency from one instant up to and with another. */
export async function readPriceLines(
  database: Queryable,
  variantIds: readonly string[],
  currency: string,
  { from, to }: { from: number; to: number }
): Promise<Map<string, PriceLine>> {
  const span = [new Date(from).toISOString(), new Date(to).toISOString()]
  const [periods, steps] = await Promise.all([
    readPeriods(
      database,
      'where variant_id = any($1::uuid[]) and currency = $2 and from_at <= $4 and (to_at is null or to_at > $3)',
      [variantIds, currency, ...span]
    ),
    database.query<{ variant_id: string; minor: string | null; effective_at: string }>(
      `select v.variant_id, b.new_minor::text as minor, b.effective_at
       from unnest($1::uuid[]) as v (variant_id)
       cross join lateral (
         (select price_change_id, new_minor, effective_at from price_changes
          where variant_id = v.variant_id and currency = $2 and base and effective_at <= $3 order by price_change_id desc limit 1)
         union all
         select price_change_id, new_minor, effective_at from price_changes
         where variant_id = v.variant_id and currency = $2 and base and effective_at > $3 and effective_at <= $4
       ) b
       order by b.price_change_id`,
      [variantIds, currency, ...span]
    )
  ])
  const periodsOf = Map.groupBy(periods, period => period.variantId)
  const stepsOf = Map.groupBy(steps, step => step.variant_id)
  return new Map(
    variantIds.map(variantId => [
      variantId,
      {
        base: (stepsOf.get(variantId) ?? []).map(step => ({
          from: Date.parse(step.effective_at),
          minor: step.minor === null ? null : BigInt(step.minor)
        })),
        periods: periodsOf.get(variantId) ?? []
      }
    ])
  )
}
