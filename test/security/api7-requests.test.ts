/**
 * API7:2023, server side request forgery: addresses in what comes in are texts, which nobody here follows, but for webhooks: those have to be
 * public. With it, names that poison objects.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { type Attack, type Attacked, openAttacked } from '../support/attacked.ts'

let attacked: Attacked
let canary: Server
let heard = 0
before(async () => {
  attacked = await openAttacked()
  canary = createServer((_, reply) => {
    heard++
    reply.end()
  }).listen(0, '127.0.0.1')
  await once(canary, 'listening')
})
after(async () => {
  canary?.close()
  await attacked?.[Symbol.asyncDispose]()
})

test('an address in a product, a header or a query is kept or refused, and never followed', async () => {
  const { post, send } = attacked
  const url = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/latest/meta-data`
  const created = await post('/v1/products', {
    title: url,
    description: url,
    externalId: url,
    media: [{ url }],
    attributes: { url }
  })
  assert.equal(created.status, 201, JSON.stringify(created.body))
  assert.equal(created.body.media[0].url, url)
  await post('/v1/categories', { name: url })
  await send('GET', `/v1/products?externalId=${encodeURIComponent(url)}`)
  await send('GET', url)
  for (const header of ['host', 'x-forwarded-host', 'forwarded', 'referer', 'origin', 'x-original-url', 'x-rewrite-url']) {
    await send('GET', '/v1/products', { [header]: header === 'host' ? new URL(url).host : url })
  }
  const rows = [`title,sku,media\n"${url}",SSRF-1,"${url}"\n`, `${JSON.stringify({ title: 'Fetched', media: [{ url }] })}\n`]
  for (const [index, type] of ['text/csv', 'application/x-ndjson'].entries()) {
    const reply = await send('POST', '/v1/imports', { 'content-type': type, 'idempotency-key': `ssrf-${index}` }, rows[index]!)
    assert.ok(reply.status < 500, JSON.stringify(reply.body))
  }
  assert.equal(heard, 0)
})

test('an address for webhooks that leads to this machine or a network around it is refused, at first and as a change', async () => {
  const { service, post, assertRefused } = attacked
  const { port } = canary.address() as AddressInfo
  const webhook = { url: 'https://93.184.216.34/hook', eventTypes: ['ProductCreated'] }
  const { body: endpoint } = await service.request('POST', '/v1/webhook-endpoints', webhook)
  const inside = [
    `http://127.0.0.1:${port}/`,
    `https://127.0.0.1:${port}/`,
    ...['127.0.0.1', '2130706433', '0x7f.1', '0177.0.0.1', '0', '[::1]', '[::ffff:127.0.0.1]', '[64:ff9b::7f00:1]'],
    ...['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', '169.254.169.254', '[fd00:ec2::254]', '[fe80::1]'],
    ...['localhost', 'LOCALHOST.', 'shop.localhost', 'ⓛocalhost', '１２７.0.0.1', '93.184.216.34@127.0.0.1', 'u:p@93.184.216.34']
  ].map(address => (/^https?:/.test(address) ? address : `https://${address}/latest/meta-data`))
  const others = [
    'http://93.184.216.34/',
    'https://93.184.216.34:22/',
    'ftp://93.184.216.34/',
    'file:///etc/passwd',
    'hook',
    '//x/y'
  ]
  await assertRefused(
    [...inside, ...others].flatMap((url): Attack[] => [
      [`at ${url}`, 'invalid-request', () => post('/v1/webhook-endpoints', { ...webhook, url })],
      [
        `moved to ${url}`,
        'invalid-request',
        () => service.request('PATCH', `/v1/webhook-endpoints/${endpoint.webhookEndpointId}`, { url })
      ]
    ])
  )
  assert.equal(heard, 0)
})

test('names that reach into what all objects share are refused or are texts, in bodies, parameters and maps', async () => {
  const { post, send, assertRefused, service } = attacked
  const poison = ['__proto__', 'constructor', 'prototype', '\\u005f_proto__', '__\\u0070roto__']
  const bodies = poison.flatMap(name => [
    `{"title":"x","${name}":{"polluted":true}}`,
    `{"title":"x","attributes":{"${name}":{"polluted":true}}}`,
    `{"title":"x","attributes":{"a":[{"${name}":1}]}}`,
    `{"title":"x","variants":[{"sku":"a","options":{"${name}":"polluted"}}]}`
  ])
  await assertRefused(bodies.map((body): Attack => [body, 'invalid-json', () => post('/v1/products', body)]))
  const queries = poison.flatMap(name => [`${name}=1`, `${name}[polluted]=1`, `a[${name}][polluted]=1`, `limit.${name}=1`])
  await assertRefused(queries.map((query): Attack => [query, 'invalid-request', () => send('GET', `/v1/products?${query}`)]))
  for (const name of ['toString', 'hasOwnProperty', 'valueOf']) {
    const { status, body } = await service.request('POST', '/v1/products', { title: 'x', attributes: { [name]: 'mine' } })
    assert.ok(status === 400 || body.attributes[name] === 'mine')
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  assert.deepEqual(Object.keys(Object.prototype), [])
})

test('a number that is nothing but a sign away from zero is zero', async () => {
  const { service, variantId } = attacked
  const reply = await service.request('PATCH', `/v1/inventory/${variantId}`, '{"lowStockThreshold":-0}', {
    'content-type': 'application/merge-patch+json'
  })
  assert.equal(reply.status, 200, JSON.stringify(reply.body))
  const read = await service.request('GET', `/v1/inventory/${variantId}`)
  assert.ok(Object.is(read.body.lowStockThreshold, 0), JSON.stringify(read.body))
})
