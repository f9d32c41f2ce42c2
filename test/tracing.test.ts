import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Message } from '#broker/broker.ts'
import { ProductCreated } from '#contracts/events/product-events.ts'
import { openHttpClient } from '#platform/http/http-client.ts'
import { processing, send } from '#platform/messaging/message-telemetry.ts'
import { startTracing } from '#platform/opentelemetry.ts'
import { registry } from '#platform/telemetry.ts'
import { type Span, startSpan, traceIdOf, within } from '#platform/trace.ts'
import { productService } from '../src/services/product/service.ts'
import { delivered, quiet } from './support/messaging.ts'
import { type Collector, startCollector } from './support/otlp-collector.ts'
import { runService } from './support/service.ts'
import { eventually } from './support/world.ts'

const tracingTo = ({ url }: { url: string }, more: { headers?: string; share?: number } = {}) =>
  startTracing(
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_TRACES_SAMPLER_ARG: more.share ?? 1,
      ...(more.headers ? { OTEL_EXPORTER_OTLP_HEADERS: more.headers } : {})
    },
    quiet
  )

const named = (collector: Collector, name: string) => () =>
  Promise.resolve(collector.spans.filter(span => span.name === name || span.attributes.name === name))
const some = (spans: readonly unknown[]) => spans.length > 0

const begin = (name: string, parent?: string): Span =>
  startSpan!(name, { service: 'tested', kind: 'server', parent, attributes: {} })

const created = (id: string) => `00-${id.repeat(32)}-${id.repeat(16)}-01`
const message = (id: string): Message => ({
  ...delivered(id, 1),
  headers: { ce_id: id, ce_source: '/tested-service', ce_traceparent: created(id), traceparent: created(id) }
})

test('the trace that a problem, a log line and an event tell of is the one that was sent to the collector', async () => {
  await using collector = await startCollector()
  await using service = await runService(productService)
  const refused = async () => {
    const { body } = await service.request('GET', '/v1/products/018f0000-0000-7000-8000-000000000000')
    return body.traceId as string
  }
  assert.match(await refused(), /^[0-9a-f]{32}$/)
  await using _tracing = tracingTo(collector)
  const traceId = await refused()
  const [span] = await eventually(named(collector, 'GET /v1/products/:productId'), some)
  assert.equal(span!.traceId, traceId)
  assert.equal(span!.attributes['http.response.status_code'], 404)
  assert.equal(span!.failed, false)

  const { body } = await service.request('POST', '/v1/products', { title: 'Lamp', variants: [{ sku: 'LAMP', prices: [] }] })
  const [create] = await eventually(named(collector, 'create product.events'), some)
  const rows = await service.database.query<{ traceparent: string }>('select distinct traceparent from outbox where key = $1', [
    body.productId
  ])
  assert.deepEqual(rows, [{ traceparent: `00-${create!.traceId}-${create!.spanId}-01` }])
})

test('no span has what a caller sent: neither headers, query, body nor token', async () => {
  await using collector = await startCollector()
  await using tracing = tracingTo(collector, { headers: 'api-key=collector%20key,other=1' })
  await using service = await runService(productService)
  const headers = { authorization: 'Bearer sesame', 'idempotency-key': 'sesame', 'user-agent': 'sesame', cookie: 'sesame' }
  await service.request('GET', '/v1/products?q=sesame', undefined, headers)
  await service.request('POST', '/v1/products', { title: 'sesame', variants: [{ sku: 'SESAME', prices: [] }] }, headers)
  await service.request('POST', '/v1/products', '{"title":"sesame"', headers)
  await service.deliver(ProductCreated, { productId: 'sesame' })
  await eventually(named(collector, 'POST /v1/products'), spans => spans.length === 2)
  await tracing[Symbol.asyncDispose]()
  const sent = Buffer.concat(collector.bodies).toString('latin1')
  assert.match(sent, /createProduct/)
  assert.doesNotMatch(sent, /sesame/i)
  assert.equal(collector.requests[0]!['api-key'], 'collector key')
  assert.doesNotMatch(sent, /collector key/)
})

test('a batch is sent in a trace of its own that links to where each event was created, which goes on unchanged', async () => {
  await using collector = await startCollector()
  await using _tracing = tracingTo(collector)
  const published: Message[] = []
  const broker = {
    system: 'postgresql' as const,
    publish: async (messages: readonly Message[]) => void published.push(...messages),
    subscribe: () => Promise.reject(new Error('nothing to subscribe to')),
    async [Symbol.asyncDispose]() {}
  }
  await send(broker, '/tested-service', [message('a'), message('b'), message('b')])
  const [span] = await eventually(named(collector, 'send product.events'), some)
  assert.deepEqual(
    span!.links.map(link => link.traceId),
    ['a'.repeat(32), 'b'.repeat(32)]
  )
  assert.equal(span!.attributes['messaging.batch.message_count'], 3)
  assert.deepEqual(
    published.map(({ headers }) => headers.ce_traceparent),
    [created('a'), created('b'), created('b')]
  )
  const hop = `00-${span!.traceId}-${span!.spanId}-01`
  assert.deepEqual(new Set(published.map(({ headers }) => headers.traceparent)), new Set([hop]))

  const failing = { ...broker, publish: () => Promise.reject(Object.assign(new Error('sesame'), { code: 'ECONNREFUSED' })) }
  await assert.rejects(send(failing, '/tested-service', [message('c')]))
  const failed = await eventually(named(collector, 'send product.events'), spans => spans.length === 2)
  assert.equal(failed[1]!.failed, true)
  assert.equal(failed[1]!.attributes['error.type'], 'ECONNREFUSED')
})

test('what handles a message belongs to the trace that created it, or to one of its own that links to it', async () => {
  await using collector = await startCollector()
  await using _tracing = tracingTo(collector)
  await processing({ name: 'tested.things', traces: 'child' }, message('a'), async () => {})
  await processing({ name: 'tested.things', traces: 'link' }, message('b'), async () => {})
  const foreign = { ...message('c'), headers: { traceparent: created('c') } }
  await processing({ name: 'tested.things' }, foreign, async () => {})
  const failure = processing({ name: 'tested.things' }, { ...message('d'), headers: {} }, () => Promise.reject(new TypeError('x')))
  await assert.rejects(failure)
  const [child, link, other, failed] = await eventually(named(collector, 'process product.events'), spans => spans.length === 4)
  assert.deepEqual([child!.traceId, child!.parentSpanId, child!.links.length], ['a'.repeat(32), 'a'.repeat(16), 1])
  assert.equal(link!.parentSpanId, '')
  assert.notEqual(link!.traceId, 'b'.repeat(32))
  assert.deepEqual(link!.links, [{ traceId: 'b'.repeat(32), spanId: 'b'.repeat(16) }])
  assert.equal(other!.traceId, 'c'.repeat(32))
  assert.equal(failed!.attributes['error.type'], 'TypeError')
})

test('a call to another service is part of what it is made for, each try a span of its own', async () => {
  await using collector = await startCollector()
  await using _tracing = tracingTo(collector)
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.traceparent as string | undefined)
    response.writeHead(seen.length === 1 ? 503 : 200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  {
    await using client = openHttpClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    const cause = begin('cause')
    await within(cause, () => client.call('GET', '/v1/things?token=sesame'))
    cause.end()
    const tries = await eventually(named(collector, 'GET'), spans => spans.length === 2)
    assert.deepEqual(
      seen,
      tries.map(span => `00-${traceIdOf(cause.traceparent)}-${span.spanId}-01`)
    )
    assert.deepEqual(
      tries.map(span => [span.kind, span.attributes['http.response.status_code'], span.failed]),
      [
        ['client', 503, true],
        ['client', 200, false]
      ]
    )
    assert.equal(tries[1]!.attributes['http.request.resend_count'], 1)
    assert.doesNotMatch(JSON.stringify(tries), /sesame/)
    // Made for nothing that anybody follows: no span, no header.
    await client.call('GET', '/v1/things')
    assert.equal(seen[2], undefined)
  }
  server.close()
})

test('a caller decides whether its trace is sent, the share of traces about those that begin here', async () => {
  await using collector = await startCollector()
  await using tracing = tracingTo(collector, { share: 0 })
  const unwanted = begin('unwanted', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`)
  assert.match(unwanted.traceparent, new RegExp(`^00-${'a'.repeat(32)}-[0-9a-f]{16}-00$`))
  const own = begin('own')
  assert.match(own.traceparent, /-00$/)
  const wanted = begin('wanted', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`)
  for (const span of [unwanted, own, wanted]) span.end()
  await tracing[Symbol.asyncDispose]()
  assert.deepEqual(
    collector.spans.map(span => span.name),
    ['wanted']
  )
})

test('a collector that does not answer costs spans and is counted, but neither memory without end nor a slow stop', async () => {
  registry.resetMetrics()
  await using collector = await startCollector()
  collector.answer = 'hang'
  const tracing = tracingTo(collector)
  for (let n = 0; n < 20_000; n++) {
    begin(`span ${n}`).end()
    if (n % 1000 === 0) await turn()
  }
  const figures = await registry.metrics()
  const dropped = Number(/tracing_spans_total\{outcome="dropped"\} (\d+)/.exec(figures)?.[1])
  assert.ok(dropped >= 20_000 - 4096 - 8 * 512, `${dropped} were dropped`)
  const began = performance.now()
  await tracing[Symbol.asyncDispose]()
  assert.ok(performance.now() - began < 6000, 'it took too long to stop')
  assert.equal(startSpan, undefined)
})

test('what has ended is sent before a process that stops is gone', async () => {
  await using collector = await startCollector()
  {
    await using _tracing = tracingTo(collector)
    begin('last').end()
  }
  assert.deepEqual(
    collector.spans.map(span => span.name),
    ['last']
  )
})
