import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { apis } from '#contracts/catalogue.ts'
import { readConfig } from '#platform/config.ts'
import { openLog } from '#platform/log.ts'
import { trusting } from '../../../test/support/service.ts'
import { openTo, startGateway, upstreamsOf } from './service.ts'

/** Answers every request with its own name. */
async function named(name: string): Promise<AsyncDisposable & { url: string }> {
  const server = createServer((_request, reply) => reply.end(name)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    }
  }
}

test('every operation of every contract reaches its service, and the whole API is described', async () => {
  await using stack = new AsyncDisposableStack()
  const urls: Record<string, string> = {}
  for (const { service } of apis) urls[service] = stack.use(await named(service)).url
  const config = readConfig({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' })
  const gateway = stack.use(
    await startGateway({ config, log: openLog(config), baseUrl: 'http://localhost:8080', urls, port: 0, authenticator: trusting })
  )
  const headers = { authorization: 'Bearer anybody' }
  const get = async (path: string, method = 'GET') => (await fetch(gateway.url + path, { method, headers })).text()

  for (const { service, operations } of apis) {
    for (const { method, path } of Object.values(operations)) {
      assert.equal(await get(path.replaceAll(/\{\w+\}/g, 'some-id'), method), service, `${method} ${path}`)
    }
  }
  for (const path of ['/asyncapi.json', '/problems/not-found', '/schemas/events/OrderCreated/1', '/.well-known/jwks.json']) {
    assert.equal(await get(path), 'product')
  }
  assert.equal(await get('/oauth/token', 'POST'), 'user')

  const document = JSON.parse(await get('/openapi.json'))
  const described = Object.keys(document.paths)
  for (const { operations } of apis) for (const { path } of Object.values(operations)) assert.ok(described.includes(path))
  assert.match(await get('/docs'), /swagger/i)
  assert.match(await get('/metrics'), /http_server_request_duration_seconds/)
})

test('two services that claim one path, or one without an address, are a mistake that is seen at once', () => {
  const urls = Object.fromEntries(apis.map(({ service }) => [service, 'http://x/v1']))
  const [product] = apis
  assert.throws(
    () => upstreamsOf([...apis, { ...product!, service: 'shadow' }], { ...urls, shadow: 'http://y/v1' }),
    /belongs to shadow/
  )
  assert.throws(() => upstreamsOf(apis, { ...urls, order: '' }), /order service has no address/)
})

test('an operation is open to anybody only when its contract says so, and what no contract knows is not', () => {
  const [product] = apis
  const isOpen = openTo(apis)
  for (const { operations } of apis) {
    for (const { method, path, scope } of Object.values(operations))
      assert.equal(isOpen(method, path), scope === null, `${method} ${path}`)
  }
  const [operation] = Object.values(product!.operations)
  const view = { ...operation!, method: 'GET', path: '/v1/products/{productId}/views', scope: null } as const
  const opened = openTo([{ ...product!, operations: { ...product!.operations, view } }])
  assert.deepEqual([opened('GET', '/v1/products/1/views'), opened('POST', '/v1/products/1/views')], [true, false])
  assert.deepEqual([opened('GET', '/v1/products/1/2/views'), opened('GET', '/v1/none')], [false, false])
})
