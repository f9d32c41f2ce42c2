/** ETag, If-Match and If-None-Match: nobody overwrites what they have not seen, and nobody is sent what they have. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Operation } from '#contracts/define.ts'
import { productApi } from '#contracts/http/product-api.ts'
import { honoursIfMatch } from '#contracts/openapi-problems.ts'
import { productService } from '../src/services/product/service.ts'
import { assertProblem } from './support/problem.ts'
import { type RunningService, runService } from './support/service.ts'
import { unchanged } from './support/unchanged.ts'
import { validProductRequest } from './support/valid-requests.ts'

let service: RunningService
before(async () => {
  service = await runService(productService)
})
after(() => service[Symbol.asyncDispose]())

const operations = Object.entries<Operation>(productApi.operations)
const pathOf = ({ path }: Operation, params: Record<string, string>) => path.replace(/\{(\w+)\}/g, (_, name) => params[name]!)
const versionOf = (headers: Headers) => Number(headers.get('etag')?.slice(1, -1))

describe('a resource with a version', () => {
  for (const [operationId, operation] of operations.filter(([, { method, conditional }]) => method === 'GET' && conditional)) {
    test(`has a strong ETag, and is not sent to who has it: ${operationId}`, async () => {
      const { params } = await validProductRequest(service, operationId)
      const path = pathOf(operation, params!)
      const { status, headers, body } = await service.request('GET', path)
      const etag = headers.get('etag')!
      assert.deepEqual([status, etag, headers.get('cache-control')], [200, `"${body.version}"`, 'private, no-cache'])
      const ask = async (method: string, known: string) => {
        const reply = await fetch(service.url + path, {
          method,
          headers: { authorization: 'Bearer anybody', 'if-none-match': known }
        })
        return [reply.status, reply.headers.get('etag'), reply.headers.get('cache-control'), (await reply.text()) !== '']
      }
      for (const method of ['GET', 'HEAD']) {
        for (const known of [etag, `W/${etag}`, '*', `"0", ${etag}`, `"0",W/${etag}`])
          assert.deepEqual(await ask(method, known), [304, etag, 'private, no-cache', false], `${method} ${known}`)
        for (const other of ['"0"', 'rubbish', etag.slice(1), 'W/"0"'])
          assert.deepEqual(await ask(method, other), [200, etag, 'private, no-cache', method === 'GET'], `${method} ${other}`)
      }
    })
  }

  test('is sent again as soon as it is another', async () => {
    const { params, body } = await validProductRequest(service, 'updateProduct')
    const path = `/v1/products/${params!.productId}`
    for (let round = 0; round < 5; round++) {
      const { headers } = await service.request('GET', path)
      const known = { 'if-none-match': headers.get('etag')! }
      assert.equal((await service.request('GET', path, undefined, known)).status, 304)
      const changed = await service.request('PATCH', path, { ...(body as object), title: `Round ${round}` })
      const again = await service.request('GET', path, undefined, known)
      assert.deepEqual([again.status, again.body, again.headers.get('etag')], [200, changed.body, changed.headers.get('etag')])
    }
  })
})

describe('a change of what exists', () => {
  const changes = operations.filter(([, operation]) => honoursIfMatch(operation))

  for (const [operationId, operation] of changes) {
    test(`is not made to another version than the one that was seen: ${operationId}`, async () => {
      const { params, body } = await validProductRequest(service, operationId)
      const ask = (path: string, ifMatch: string, key: string) =>
        service.request(operation.method, path, body, {
          'if-match': ifMatch,
          'idempotency-key': `${operationId} ${key}`.replace(' ', '-')
        })
      const path = pathOf(operation, params!)
      const stale = ['"999"', 'W/"1"', '1', '"1', '""', 'rubbish', '"998", "999"']
      await unchanged(service.database, async () => {
        for (const [index, tag] of stale.entries()) {
          const reply = await ask(path, tag, `stale-${index}`)
          assertProblem(reply, 'precondition-failed')
          assert.ok(reply.body.currentVersion >= 1)
          assert.equal(reply.headers.get('etag'), `"${reply.body.currentVersion}"`)
        }
        const nowhere = path.replace(/[0-9a-f-]{36}/, '01990000-0000-7000-8000-000000000000')
        assertProblem(await ask(nowhere, '"1"', 'nowhere'), 'not-found')
      })
      const { currentVersion } = (await ask(path, '"999"', 'ask')).body
      const made = await ask(path, `"999", "${currentVersion}"`, 'seen')
      // What is active, or held for an order, is not deleted: that is its state, not its version.
      assert.ok([operation.reply.status, 409].includes(made.status), JSON.stringify(made.body))
    })
  }

  test('is made to any version when any is allowed', async () => {
    const { params } = await validProductRequest(service, 'updateProduct')
    for (const [index, headers] of [{ 'if-match': '*' }, {}].entries()) {
      const reply = await service.request('PATCH', `/v1/products/${params!.productId}`, { title: `Any ${index}` }, headers)
      assert.deepEqual([reply.status, reply.body.title], [200, `Any ${index}`])
    }
  })

  test('by sixty-four at once, each from what it has seen, loses nobody’s change', async () => {
    const { params } = await validProductRequest(service, 'updateProduct')
    const path = `/v1/products/${params!.productId}`
    const first = versionOf((await service.request('GET', path)).headers)
    const won: string[] = []
    for (let round = 0; round < 5; round++) {
      const etag = (await service.request('GET', path)).headers.get('etag')!
      const replies = await Promise.all(
        Array.from({ length: 64 }, (_, i) => service.request('PATCH', path, { title: `${round} by ${i}` }, { 'if-match': etag }))
      )
      const winners = replies.filter(({ status }) => status === 200)
      assert.equal(winners.length, 1)
      won.push(winners[0]!.body.title)
      for (const reply of replies.filter(({ status }) => status !== 200)) {
        assertProblem(reply, 'precondition-failed')
        assert.equal(reply.body.currentVersion, first + round + 1)
      }
      assert.equal((await service.request('GET', path)).body.title, won.at(-1))
    }
    assert.equal(versionOf((await service.request('GET', path)).headers), first + won.length)
  })
})
