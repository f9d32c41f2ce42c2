import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noOwnKafka, noOwnRabbitMq } from '../support/brokers.ts'
import { startKafka } from '../support/kafka-server.ts'
import { type CollectedSpan, startCollector } from '../support/otlp-collector.ts'
import { startRabbitMq } from '../support/rabbitmq-server.ts'
import { eventually, openWorld } from '../support/world.ts'

/** A broker of its own for each: the names of topics and groups are fixed. */
const brokers = {
  postgresql: { skip: false, start: undefined },
  rabbitmq: { skip: noOwnRabbitMq, start: startRabbitMq },
  kafka: { skip: noOwnKafka, start: startKafka }
}

const caller = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }
const traceparent = `00-${caller.traceId}-${caller.spanId}-01`

for (const [system, { skip, start }] of Object.entries(brokers)) {
  test(`a product created over ${system} is one trace, from the caller to the search index`, {
    skip,
    timeout: 240_000
  }, async () => {
    await using broker = await start?.()
    await using collector = await startCollector()
    await using world = await openWorld()
    const settings = broker ? { BROKER_URL: broker.url } : {}
    const { url } = await world.start([], { ...settings, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
    const client = world.client(url)
    const reply = await client.call('POST', '/v1/products', { headers: { traceparent }, body: product })
    assert.equal(reply.status, 201)
    const ours = await eventually(
      async () => collector.spans.filter(span => span.traceId === caller.traceId),
      spans => spans.some(({ name, service }) => name === 'process product.events' && service === 'search')
    )

    const gateway = one(ours, span => span.service === 'gateway' && span.kind === 'server')
    assert.deepEqual(summary(gateway), { name: 'POST /v1/products', kind: 'server', parent: caller.spanId })
    const server = one(ours, span => span.service === 'product' && span.kind === 'server')
    assert.deepEqual(summary(server), { name: 'POST /v1/products', kind: 'server', parent: gateway.spanId })
    assert.equal(server.attributes['http.response.status_code'], 201)
    assert.equal(server.attributes.operation, 'createProduct')

    const create = one(ours, span => span.name === 'create product.events')
    assert.deepEqual(summary(create), { name: 'create product.events', kind: 'producer', parent: server.spanId })
    assert.equal(create.attributes['messaging.system'], system)

    const process = ours.find(
      span => span.service === 'search' && span.attributes['cloudevents.event_type'] === 'product.created.v1'
    )!
    assert.deepEqual(summary(process), { name: 'process product.events', kind: 'consumer', parent: create.spanId })
    assert.deepEqual(process.links, [{ traceId: create.traceId, spanId: create.spanId }])
    assert.equal(process.attributes['messaging.system'], system)
    assert.match(String(process.attributes['messaging.consumer.group.name']), /^search\./)
    assert.equal(process.attributes['messaging.message.id'], process.attributes['cloudevents.event_id'])
    assert.equal(process.attributes['cloudevents.event_source'], '/product-service')
    assert.equal(process.attributes['messaging.outcome'], 'applied')

    // A batch has a trace of its own: it may hold the events of many.
    const send = one(collector.spans, span => span.kind === 'client' && span.links.some(link => link.spanId === create.spanId))
    assert.deepEqual(summary(send), { name: 'send product.events', kind: 'client', parent: '' })
    assert.notEqual(send.traceId, caller.traceId)
  })
}

const product = { title: 'Traced', variants: [{ sku: 'TRACED-1', prices: [{ currency: 'EUR', amount: '10.00' }] }] }

const summary = ({ name, kind, parentSpanId }: CollectedSpan) => ({ name, kind, parent: parentSpanId })

function one(spans: readonly CollectedSpan[], matches: (span: CollectedSpan) => boolean): CollectedSpan {
  const [found, ...others] = spans.filter(matches)
  assert.ok(found, `there is no such span among ${spans.map(span => `${span.service} ${span.name}`).join(', ')}`)
  assert.deepEqual(others, [])
  return found
}
