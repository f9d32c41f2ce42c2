/** The product service with something in it to attack, and ways to send what no client library would. */
import assert from 'node:assert/strict'
import type { ProblemCode } from '#contracts/problems.ts'
import { productService } from '../../src/services/product/service.ts'
import { assertProblem } from './problem.ts'
import { exchange } from './raw-http.ts'
import { type Reply, type RunningService, runService } from './service.ts'
import { unchanged } from './unchanged.ts'

export const JSON_TYPE = { 'content-type': 'application/json' }

export type Attack = [name: string, code: ProblemCode, send: () => Promise<Reply>]

export interface Attacked extends AsyncDisposable {
  readonly service: RunningService
  /** An active product with one variant, that has stock and a price. */
  readonly productId: string
  readonly variantId: string
  /** One request on a connection of its own, as it is written here. */
  send(method: string, path: string, headers?: Record<string, string>, body?: string | Buffer): Promise<Reply>
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Reply>
  /** Each is refused with its code, and together they leave every row as it was. */
  assertRefused(attacks: Iterable<Attack>): Promise<void>
}

export async function openAttacked(): Promise<Attacked> {
  const service = await runService(productService)
  const { body: product } = await service.request('POST', '/v1/products', {
    title: 'Thing',
    status: 'active',
    variants: [{ sku: 'T-1', prices: [{ amount: '1.00', currency: 'EUR' }], inventory: { onHand: 5 } }]
  })

  async function send(method: string, path: string, headers: Record<string, string> = {}, body?: string | Buffer): Promise<Reply> {
    const all = { host: 'x', authorization: 'Bearer anybody', connection: 'close', ...headers }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
    const length = body === undefined ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`
    const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}${length}\r\n`, 'latin1')
    const [reply] = await exchange(service.url, Buffer.concat([head, Buffer.from(body ?? '')]))
    assert.ok(reply, 'there was no reply')
    return reply
  }

  return {
    service,
    productId: product.productId,
    variantId: product.variants[0].variantId,
    send,
    post: (path, body, headers = {}) =>
      send(
        'POST',
        path,
        { ...JSON_TYPE, ...headers },
        typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
      ),
    async assertRefused(attacks) {
      await unchanged(service.database, async () => {
        for (const [name, code, attack] of attacks) {
          const reply = await attack()
          try {
            assertProblem(reply, code)
          } catch (error) {
            throw new Error(`${name}: ${(error as Error).message}`, { cause: error })
          }
        }
      })
    },
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]()
  }
}
