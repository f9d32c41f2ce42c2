/**
 * What the replay asks of the shop, over public HTTP only. Every request that changes something carries a key made of the history's own
 * numbers: asked again, after a kill or by a second replay on the same data, it is the same request.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Reconciliation } from '#contracts/resources/inventory.ts'
import type { CreateOrder, Order } from '#contracts/resources/order.ts'
import type { CreateProduct, Product } from '#contracts/resources/product.ts'
import { type HttpClient, openHttpClient } from '#platform/http/http-client.ts'

export interface Shop extends AsyncDisposable {
  createProduct(product: CreateProduct, sku: string): Promise<Product>
  placeOrder(order: CreateOrder, invoice: string): Promise<Order>
  /** Waits until the order has its answer, confirmed or rejected; gives up after two minutes, then it is still pending. */
  answerTo(orderId: string): Promise<Order>
  change(orderId: string, to: 'confirm' | 'complete' | 'cancel', invoice: string): Promise<Order>
  bookReturn(items: readonly { variantId: string; quantity: number }[], invoice: string): Promise<void>
  reconciliation(): Promise<Reconciliation>
}

/** With waits of a second in the mean that is about a minute: a killed shop is back by then. */
const TRIES = 60
const ANSWER_WITHIN_MS = 120_000
const POLL_MS = { first: 10, most: 250 }
const ADJUSTMENTS_MAX = 100

export function openShop(url: string, connections: number): Shop {
  const credentials = { tokenUrl: `${url}/oauth/token`, clientId: 'admin', clientSecret: 'admin-secret' }
  const client = openHttpClient({ url, credentials, connections, tries: TRIES })
  const post = <Body>(path: string, body: unknown, key: string) => ask<Body>(client, 'POST', path, body, `replay-${key}`)
  const get = <Body>(path: string) => ask<Body>(client, 'GET', path)

  return {
    createProduct: (product, sku) => post('/v1/products', product, `product-${sku}`),
    placeOrder: (order, invoice) => post('/v1/orders', order, `order-${invoice}`),
    change: (orderId, to, invoice) => post(`/v1/orders/${orderId}/${to}`, undefined, `${to}-${invoice}`),
    async answerTo(orderId) {
      const deadline = Date.now() + ANSWER_WITHIN_MS
      for (let pauseMs = POLL_MS.first; ; pauseMs = Math.min(POLL_MS.most, pauseMs * 1.6)) {
        const order = await get<Order>(`/v1/orders/${orderId}`)
        if (order.status !== 'pending' || Date.now() > deadline) return order
        await delay(pauseMs)
      }
    },
    async bookReturn(items, invoice) {
      for (let from = 0; from < items.length; from += ADJUSTMENTS_MAX) {
        const part = items.slice(from, from + ADJUSTMENTS_MAX)
        const adjustments = part.map(({ variantId, quantity }) => ({
          variantId,
          delta: quantity,
          reason: 'returned',
          note: invoice
        }))
        await post('/v1/inventory/adjustments', { items: adjustments }, `return-${invoice}-${from}`)
      }
    },
    reconciliation: () => get('/v1/inventory/reconciliation'),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]()
  }
}

async function ask<Body>(client: HttpClient, method: 'GET' | 'POST', path: string, body?: unknown, key?: string): Promise<Body> {
  const reply = await client.call<Body>(method, path, { body, ...(key ? { idempotencyKey: key } : {}) })
  if (reply.status < 300) return reply.body
  throw new Error(
    `${method} ${path}${key ? ` (${key})` : ''} was answered ${reply.status}: ${JSON.stringify(reply.body).slice(0, 1000)}`
  )
}
