/** Plays a plan: the catalog first, then orders, cancellations and returns in time order. Notes what was acknowledged, as any client can. */
import type { Order } from '#contracts/resources/order.ts'
import { inOrder } from './in-order.ts'
import type { Plan, PlannedLine, PlannedOrder, Step } from './plan.ts'
import type { Progress } from './progress.ts'
import type { Shop } from './shop.ts'

export type Line = { variantId: string; quantity: number }

export type PlayedProduct = { sku: string; productId: string; variantId: string; opening: number }

export type PlayedOrder = { invoice: string; orderId: string; status: Order['status']; reason: string | null; lines: Line[] }

export type PlayedReturn = { invoice: string; lines: Line[] }

/** What the shop has acknowledged. */
export type Played = {
  products: PlayedProduct[]
  orders: PlayedOrder[]
  returns: PlayedReturn[]
  /** What was to be taken back of orders that were rejected: it never left. */
  nothingToTakeBack: number
}

/** How much of the whole a product is, and an invoice: about as they take time. */
const EFFORT = { product: 1, invoice: 7 }

export function effortOf({ products, steps }: Plan): number {
  return products.length * EFFORT.product + steps.length * EFFORT.invoice
}

export async function playPlan(plan: Plan, shop: Shop, options: { concurrency: number; progress: Progress }): Promise<Played> {
  const { concurrency, progress } = options
  const played: Played = { products: [], orders: [], returns: [], nothingToTakeBack: 0 }

  progress.say('catalog')
  const bySku = new Map<string, PlayedProduct>()
  await inOrder(plan.products, concurrency, async ({ sku, title, price, opening }) => {
    const variant = { sku, prices: [{ amount: price, currency: plan.currency }], inventory: { onHand: opening } }
    const product = await shop.createProduct({ title, status: 'active', variants: [variant] }, sku)
    const known = { sku, productId: product.productId, variantId: product.variants[0]!.variantId, opening }
    bySku.set(sku, known)
    played.products.push(known)
    progress.add(EFFORT.product)
  })

  const variantsOf = (lines: readonly PlannedLine[]) =>
    lines.map(({ sku, quantity }) => ({ productId: bySku.get(sku)!.productId, variantId: bySku.get(sku)!.variantId, quantity }))

  async function order({ invoice, customer, lines, cancelledLater }: PlannedOrder): Promise<PlayedOrder> {
    const items = variantsOf(lines)
    const { orderId } = await shop.placeOrder({ userId: customer ?? 'anonymous', items }, invoice)
    let { status, reason } = await shop.answerTo(orderId)
    if (status === 'confirmed') {
      await shop.change(orderId, 'confirm', invoice)
      // Only what has not left can be cancelled.
      if (!cancelledLater) status = (await shop.change(orderId, 'complete', invoice)).status
    }
    return { invoice, orderId, status, reason, lines: items }
  }

  const orders = new Map<string, Promise<PlayedOrder>>()
  async function play(step: Step): Promise<void> {
    if (step.kind === 'order') {
      const outcome = order(step)
      orders.set(step.invoice, outcome)
      played.orders.push(await outcome)
      return
    }
    const taken = step.order === null ? undefined : await orders.get(step.order)
    if (taken?.status === 'rejected') {
      played.nothingToTakeBack++
    } else if (step.kind === 'cancellation') {
      taken!.status = (await shop.change(taken!.orderId, 'cancel', step.invoice)).status
    } else {
      const lines = variantsOf(step.lines)
      await shop.bookReturn(lines, step.invoice)
      played.returns.push({ invoice: step.invoice, lines })
    }
  }

  await inOrder(plan.steps, concurrency, async step => {
    progress.say(step.at.slice(0, 10))
    await play(step)
    progress.add(EFFORT.invoice)
  })
  return played
}
