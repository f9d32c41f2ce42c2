/** What a history asks of the shop: products with stock to begin with, and what happens to them in time order. No network, no clock. */
import { fromMinor } from '#contracts/resources/money.ts'
import type { Article, History, Invoice } from './read-history.ts'

export type PlannedProduct = { sku: string; title: string; price: string; opening: number }

export type PlannedLine = { sku: string; quantity: number }

export type PlannedOrder = {
  kind: 'order'
  at: string
  invoice: string
  customer: string | null
  lines: PlannedLine[]
  /** Known ahead, so that it is not shipped: a later cancellation takes it back whole. */
  cancelledLater: boolean
}

/** Takes back a whole order. */
export type PlannedCancellation = { kind: 'cancellation'; at: string; invoice: string; order: string }

/** Brings back some of an order, or what was bought before the history begins. */
export type PlannedReturn = { kind: 'return'; at: string; invoice: string; order: string | null; lines: PlannedLine[] }

export type Step = PlannedOrder | PlannedCancellation | PlannedReturn

export type Plan = { currency: 'GBP'; products: PlannedProduct[]; steps: Step[]; severalPrices: number }

/** How much there is to begin with: all that will be sold, a share of it, or at most so many of each product. */
export type OpeningStock = { share?: number | undefined; atMost?: number | undefined }

export function planOf(history: History, { share = 1, atMost = Number.POSITIVE_INFINITY }: OpeningStock = {}): Plan {
  const takenBack = matchCancellations(history)
  const cancelled = new Set(takenBack.flatMap(step => (step.kind === 'cancellation' ? [step.order] : [])))
  const orders = history.sales.map(
    (sale): PlannedOrder => ({
      kind: 'order',
      at: sale.at,
      invoice: sale.invoice,
      customer: sale.customer,
      lines: linesOf(sale),
      cancelledLater: cancelled.has(sale.invoice)
    })
  )
  const sold = new Map<string, number>()
  for (const { sku, quantity } of orders.flatMap(order => order.lines)) sold.set(sku, (sold.get(sku) ?? 0) + quantity)
  const products = [...history.articles].map(([sku, article]) => ({
    sku,
    ...describe(article),
    opening: Math.min(Math.floor((sold.get(sku) ?? 0) * share), atMost)
  }))
  const severalPrices = [...history.articles.values()].filter(article => article.pricesMinor.size > 1).length
  return { currency: 'GBP', products, steps: inTimeOrder([...orders, ...takenBack]), severalPrices }
}

/** Of several descriptions and prices the most frequent: a sale of some days must not name the product for good. */
function describe({ descriptions, pricesMinor }: Article): Pick<PlannedProduct, 'title' | 'price'> {
  return { title: mostFrequent(descriptions), price: fromMinor(BigInt(mostFrequent(pricesMinor)), 'GBP') }
}

function mostFrequent<Value>(counts: ReadonlyMap<Value, number>): Value {
  const [first] = [...counts].sort((one, other) => other[1] - one[1])
  return first![0]
}

/**
 * A cancellation names no invoice. It belongs to the latest earlier one of the same customer from which all its lines can still be
 * taken back; when that leaves nothing of the invoice, and nothing was taken back before, the order is cancelled. All else is a return.
 */
function matchCancellations({ sales, cancellations }: History): (PlannedCancellation | PlannedReturn)[] {
  const latestFirst = sales.toReversed().map(sale => ({ sale, left: new Map(sale.units), whole: true }))
  const ofCustomer = Map.groupBy(latestFirst, each => each.sale.customer)
  return cancellations.map(cancellation => {
    const { invoice, at, customer, units } = cancellation
    const fits = (left: ReadonlyMap<string, number>) => [...units].every(([code, quantity]) => (left.get(code) ?? 0) >= quantity)
    const match = customer && ofCustomer.get(customer)?.find(({ sale, left }) => sale.at <= at && fits(left))
    if (!match) return { kind: 'return', at, invoice, order: null, lines: linesOf(cancellation) }
    const { sale, left, whole } = match
    for (const [code, quantity] of units) left.set(code, left.get(code)! - quantity)
    match.whole = false
    if (whole && [...left.values()].every(quantity => quantity === 0))
      return { kind: 'cancellation', at, invoice, order: sale.invoice }
    return { kind: 'return', at, invoice, order: sale.invoice, lines: linesOf(cancellation) }
  })
}

function linesOf({ units }: Invoice): PlannedLine[] {
  return [...units].map(([sku, quantity]) => ({ sku, quantity }))
}

/** In the same minute orders come first: what is taken back has been bought. */
function inTimeOrder(steps: Step[]): Step[] {
  return steps.sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0))
}
