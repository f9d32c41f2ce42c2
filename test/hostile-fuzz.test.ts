/**
 * Every operation of every service, asked thousands of times in ways that are almost right: the answer is what the contract says, or a
 * refusal that the contract names; never an error of ours. A failure prints the seed that repeats it.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { type Dispatcher, Pool } from 'undici'
import type { Operation } from '#contracts/define.ts'
import { problemsOf } from '#contracts/openapi-problems.ts'
import type { Service } from '#platform/service.ts'
import { checkBody } from '#platform/text/validation.ts'
import { orderService } from '../src/services/order/service.ts'
import { productService } from '../src/services/product/service.ts'
import { searchService } from '../src/services/search/service.ts'
import { userService } from '../src/services/user/service.ts'
import { type Distortion, distortion } from './support/mutations.ts'
import { assertProblem } from './support/problem.ts'
import { type Reply, type RunningService, runService } from './support/service.ts'
import {
  type ValidRequest,
  validOrderRequest,
  validProductRequest,
  validSearchRequest,
  validUserRequest
} from './support/valid-requests.ts'

const CONCURRENCY = 6
/** Refused before it is known which operation is meant. */
const anywhere = ['not-found', 'method-not-allowed', 'uri-too-long', 'malformed-http']

let total = 0
after(() => console.log(`${total} requests`))

async function ask(
  pool: Pool,
  operation: Operation,
  { params = {}, query, body, mediaType = 'application/json' }: ValidRequest,
  distorted: Distortion
): Promise<Reply> {
  total++
  const path = distorted.path(operation.path, params)
  const reply = await pool.request({
    method: operation.method as Dispatcher.HttpMethod,
    path: query && !path.includes('?') ? `${path}?${query}` : path,
    headers: {
      authorization: 'Bearer anybody',
      'idempotency-key': randomUUID(),
      ...(body === undefined ? {} : { 'content-type': mediaType }),
      ...distorted.headers
    },
    ...(body === undefined ? {} : { body: distorted.body(body) })
  })
  const headers = new Headers(Object.entries(reply.headers).map(([name, value]) => [name, String(value)] as [string, string]))
  const text = await reply.body.text()
  return { status: reply.statusCode, headers, body: /[/+]json/.test(headers.get('content-type') ?? '') ? JSON.parse(text) : text }
}

async function fuzz(
  service: Service,
  validRequest: (running: RunningService, operationId: string) => Promise<ValidRequest>,
  runs: number
): Promise<Map<string, Set<number>>> {
  await using running = await runService(service)
  const pool = new Pool(running.url, { connections: CONCURRENCY, pipelining: 1 })
  const statuses = new Map<string, Set<number>>()
  const waiting = Object.entries<Operation>(service.api.operations)
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [operationId, operation] = next
      const allowed: readonly string[] = [...problemsOf(operation), ...anywhere]
      const { reply: answered } = operation
      const check = answered.body && !answered.mediaType && checkBody(answered.body)
      const valid = await validRequest(running, operationId)
      const seen = new Set<number>()
      statuses.set(operationId, seen)
      await fc.assert(
        fc.asyncProperty(distortion, async distorted => {
          const reply = await ask(pool, operation, valid, distorted)
          const { status, body } = reply
          seen.add(status)
          assert.ok(status < 500, `${operationId}: ${status} ${JSON.stringify(body)}`)
          if (status >= 400) {
            assertProblem(reply)
            assert.ok(allowed.includes(body.code), `${operationId} does not name ${body.code}`)
          } else if (status !== 304) {
            assert.equal(status, operation.reply.status)
            if (check) check(body)
          }
        }),
        { numRuns: runs }
      )
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  await pool.close()
  const { status } = await running.request('GET', '/health/ready')
  assert.equal(status, 200, 'it still answers')
  assert.deepEqual(Object.keys(Object.prototype), [])
  assert.ok(!('polluted' in {}))
  if (service === productService) {
    const { body } = await running.request('GET', '/v1/inventory/reconciliation')
    assert.deepEqual([body.drift, body.oversold], [0, 0])
  }
  return statuses
}

test('no request makes the product service fail, or answer what its contract does not name', async () => {
  const statuses = await fuzz(productService, validProductRequest, 120)
  for (const [operationId, seen] of statuses) {
    const { status } = (productService.api.operations as Record<string, Operation>)[operationId]!.reply
    assert.ok(seen.has(status) || seen.has(409), `nothing but refusals of ${operationId}: ${[...seen]}`)
  }
})

test('no request makes the order service fail', async () => {
  await fuzz(orderService, validOrderRequest, 60)
})

test('no request makes the user service fail', async () => {
  await fuzz(userService, validUserRequest, 100)
})

test('no request makes the search service fail', async () => {
  await fuzz(searchService, validSearchRequest, 100)
})
