import type { priceOperations } from '#contracts/http/product-prices.ts'
import { type Fault, Problem } from '#contracts/problems.ts'
import { toMinor } from '#contracts/resources/money.ts'
import type { ListedPrice, PriceListPrices, SetListedPrice } from '#contracts/resources/price-list.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import type { Input } from '#platform/http/handlers.ts'
import { newId } from '#platform/id.ts'
import { announceAll } from '#platform/messaging/outbox.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { violated } from '#platform/postgres/database-errors.ts'
import { FAULTS_MAX, invalid } from '#platform/text/validation.ts'
import { beginReview, type PriceReview } from './begin-review.ts'
import { type ListedPriceRow, listedPriceColumns, toListedPrice } from './listed-price.ts'
import { canonicalAmount } from './price.ts'
import { lockPriceList } from './price-list.ts'

/** Sets prices of a list, all of them or none, and tells those who pay another price thereby now; the rest is told when its time comes. */
export async function setPriceListPrices(
  tx: Transaction,
  { params: { priceListId }, body, actor }: Input<typeof priceOperations.setPriceListPrices>
): Promise<PriceListPrices> {
  await lockPriceList(tx, priceListId)
  const given = body.prices.map(price => termsOf(price))
  const faults = body.prices.flatMap(({ startsAt, endsAt }, index) => faultsOfTime(startsAt ?? null, endsAt ?? null, index))
  if (faults.length > 0) throw invalid(faults)
  const review = await beginReview(tx, [...new Set(given.map(({ variantId }) => variantId))], actor.subject)
  checkVariants(given, review)
  const known = await readPrices(tx, priceListId, [...review.productOf.keys()])
  const planned = given.map(terms => plan(terms, known, priceListId, review))
  checkOverlaps(planned, known)
  keepBefore(tx, { data: planned.flatMap(({ priceId }) => known.filter(each => each.priceId === priceId)) })
  const written = planned.filter(price => !known.some(each => same(each, price)))
  await store(tx, written, { at: review.at, actor: actor.subject })
  announceAll(tx, await review.end())
  return { data: planned }
}

type Terms = Omit<ListedPrice, 'priceId' | 'priceListId' | 'productId'>

function termsOf({ variantId, currency, minQuantity = 1, amount, startsAt = null, endsAt = null }: SetListedPrice): Terms {
  const instant = (text: string | null) => (text === null ? null : new Date(text).toISOString())
  const terms = { variantId, currency, minQuantity, startsAt: instant(startsAt), endsAt: instant(endsAt) }
  return { ...terms, amount: canonicalAmount(amount, currency) }
}

function faultsOfTime(startsAt: string | null, endsAt: string | null, index: number): Fault[] {
  if (startsAt === null || endsAt === null || Date.parse(startsAt) < Date.parse(endsAt)) return []
  return [{ pointer: `#/prices/${index}/endsAt`, code: 'range', detail: 'must be after startsAt' }]
}

function checkVariants(given: readonly Terms[], { productOf }: PriceReview): void {
  const errors = given.flatMap(({ variantId }, index): Fault[] => {
    const known = productOf.has(variantId)
    return known
      ? []
      : [{ pointer: `#/prices/${index}/variantId`, code: 'reference-not-found', detail: 'There is no such variant' }]
  })
  if (errors.length > 0) throw new Problem('reference-not-found', undefined, { errors: errors.slice(0, FAULTS_MAX) })
}

/** With the id of the price that it replaces, or a new one. */
function plan(terms: Terms, known: readonly ListedPrice[], priceListId: string, { productOf }: PriceReview): ListedPrice {
  const replaced = known.find(each => placeOf(each) === placeOf(terms) && each.startsAt === terms.startsAt)
  return { priceId: replaced?.priceId ?? newId(), priceListId, productId: productOf.get(terms.variantId)!, ...terms }
}

const placeOf = ({ variantId, currency, minQuantity }: Terms) => `${variantId} ${currency} ${minQuantity}`

function same(a: ListedPrice, b: ListedPrice): boolean {
  return a.priceId === b.priceId && a.amount === b.amount && a.endsAt === b.endsAt
}

/** Names each price whose time another price has already: one of the list that stays, or one given before it. */
function checkOverlaps(planned: readonly ListedPrice[], known: readonly ListedPrice[]): void {
  const replaced = new Set(planned.map(({ priceId }) => priceId))
  const taken = Map.groupBy(
    known.filter(({ priceId }) => !replaced.has(priceId)),
    placeOf
  )
  const clashes: { index: number; startsAt: string | null; endsAt: string | null; priceId: string }[] = []
  for (const [index, price] of planned.entries()) {
    const others = taken.get(placeOf(price)) ?? []
    const other = others.find(each => overlap(each, price))
    if (other) clashes.push({ index, priceId: other.priceId, startsAt: other.startsAt, endsAt: other.endsAt })
    taken.set(placeOf(price), [...others, price])
  }
  if (clashes.length === 0) return
  const errors = clashes.map(({ index, startsAt, endsAt }) => ({
    pointer: `#/prices/${index}`,
    code: 'overlap',
    detail: `The list has a price from ${startsAt ?? 'ever'} to ${endsAt ?? 'ever'} already`
  }))
  const priceIds = known.map(({ priceId }) => priceId).filter(id => clashes.some(({ priceId }) => priceId === id))
  throw new Problem('price-overlap', undefined, { errors: errors.slice(0, FAULTS_MAX), priceIds: priceIds.slice(0, FAULTS_MAX) })
}

function overlap(a: Terms, b: Terms): boolean {
  const [startOf, endOf] = [(terms: Terms) => terms.startsAt ?? '', (terms: Terms) => terms.endsAt ?? '~']
  return startOf(a) < endOf(b) && startOf(b) < endOf(a)
}

async function readPrices(tx: Transaction, priceListId: string, variantIds: readonly string[]): Promise<ListedPrice[]> {
  const rows = await tx.query<ListedPriceRow>(
    `select ${listedPriceColumns} from listed_prices where price_list_id = $1 and variant_id = any($2::uuid[]) and removed_at is null`,
    [priceListId, variantIds]
  )
  return rows.map(toListedPrice)
}

async function store(tx: Transaction, prices: readonly ListedPrice[], { at, actor }: { at: string; actor: string }): Promise<void> {
  if (prices.length === 0) return
  tx.send(
    `update listed_prices set removed_at = greatest(set_at, $2::timestamptz), removed_by = $3
     where price_id = any($1::uuid[]) and removed_at is null`,
    [prices.map(({ priceId }) => priceId), at, actor]
  )
  try {
    await tx.query(
      `insert into listed_prices (price_id, price_list_id, product_id, variant_id, currency, min_quantity, amount_minor, starts_at, ends_at,
         set_at, set_by)
       select p.*, $10::timestamptz, $11::text
       from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[], $8::timestamptz[],
         $9::timestamptz[]) as p`,
      [
        prices.map(({ priceId }) => priceId),
        prices.map(({ priceListId }) => priceListId),
        prices.map(({ productId }) => productId),
        prices.map(({ variantId }) => variantId),
        prices.map(({ currency }) => currency),
        prices.map(({ minQuantity }) => minQuantity),
        prices.map(({ amount, currency }) => String(toMinor(amount, currency))),
        prices.map(({ startsAt }) => startsAt),
        prices.map(({ endsAt }) => endsAt),
        at,
        actor
      ]
    )
  } catch (error) {
    throw violated(error) === 'listed_prices_overlap' ? new Problem('price-overlap') : error
  }
}
