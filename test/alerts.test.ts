/** Each alert of deploy/prometheus, evaluated by Prometheus itself over what our metrics say when that happens which it is about. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, suite, test } from 'node:test'
import { type Broker, MessagesRefused } from '#broker/broker.ts'
import { openBroker } from '#broker/open.ts'
import { watchAudit } from '#platform/audit/audit-watch.ts'
import { openHttpClient } from '#platform/http/http-client.ts'
import { watchBacklog } from '#platform/messaging/backlog.ts'
import { watchBroker } from '#platform/messaging/broker-watch.ts'
import { consume } from '#platform/messaging/consume.ts'
import { type Consumer, on } from '#platform/messaging/consumer.ts'
import { countSent } from '#platform/messaging/message-telemetry.ts'
import { announce } from '#platform/messaging/outbox.ts'
import { startBrokerOutlet } from '#platform/messaging/outlet.ts'
import { startRelay } from '#platform/messaging/relay.ts'
import { openWakeup } from '#platform/messaging/wakeup.ts'
import { startTracing } from '#platform/opentelemetry.ts'
import { registry, unroutableEvents } from '#platform/telemetry.ts'
import { startSpan } from '#platform/trace.ts'
import { productService } from '../src/services/product/service.ts'
import { changeAudited } from './support/audit.ts'
import { noRabbitMq, testRabbitMqUrl } from './support/brokers.ts'
import { change, delivered, leaveEffect, type Messaging, openMessaging, quiet, ThingChanged } from './support/messaging.ts'
import { startNeighbour } from './support/neighbour.ts'
import { startCollector } from './support/otlp-collector.ts'
import { createTestDatabase } from './support/postgres.ts'
import { assertFiring, checkRules, noPromtool } from './support/promtool.ts'
import { runService } from './support/service.ts'
import { startWebhookReceiver, type WebhookReceiver } from './support/webhook-receiver.ts'
import { eventually, openWorld } from './support/world.ts'

const shown = new Set<string>()
const scrape = () => registry.metrics()

/** Rejects unless what happened since sets off exactly these. */
async function assertSetsOff(alerts: readonly string[], before: string): Promise<void> {
  await assertFiring(alerts, { before, since: await scrape() })
  for (const alert of alerts) shown.add(alert)
}

/** A service whose metrics are shown. */
async function openWatched(): Promise<Messaging & { stack: AsyncDisposableStack; consumer(more: Partial<Consumer>): Consumer }> {
  const stack = new AsyncDisposableStack()
  const messaging = stack.use(await openMessaging())
  stack.use(watchBacklog('tested', messaging.database, ['tested.things']))
  return {
    ...messaging,
    stack,
    consumer: more => ({
      name: 'tested.things',
      reactions: [on(ThingChanged, leaveEffect)],
      database: messaging.database,
      retryDelaysMs: [],
      log: quiet,
      ...more
    }),
    [Symbol.asyncDispose]: () => stack.disposeAsync()
  }
}

/** The relay and the outlet of a service, with `broker` behind them. */
function startPublishing(
  { database, stack }: { database: Messaging['database']; stack: AsyncDisposableStack },
  broker: Broker
): void {
  const eventLog = openWakeup(database, 'event log')
  stack.use(startRelay({ database, outbox: openWakeup(database, 'outbox'), eventLog, log: quiet }))
  const published = countSent('tested')
  stack.use(startBrokerOutlet({ database, broker, source: '/tested-service', eventLog, log: quiet, published }))
}

const taking = (publish: Broker['publish'] = async () => {}): Broker => ({
  system: 'postgresql',
  publish,
  subscribe: () => Promise.reject(new Error('nothing to subscribe to')),
  async [Symbol.asyncDispose]() {}
})

async function figure(name: string, labels = ''): Promise<number> {
  const line = (await scrape()).split('\n').find(line => line.startsWith(`${name}{`) && line.includes(labels))
  return Number(line?.split(' ').at(-1) ?? Number.NaN)
}

suite('alerts', { skip: noPromtool }, () => {
  // Counters go on counting, as those of a process do that is asked for the first time after something has happened.
  beforeEach(() => registry.resetMetrics())

  test('are rules that Prometheus loads', async () => {
    assert.match(await checkRules(), /SUCCESS/)
  })

  test('are silent while all is well', { timeout: 240_000 }, async () => {
    await using world = await openWorld()
    const { url } = await world.start()
    const client = world.client(url)
    await client.call('POST', '/v1/products', { body: { title: 'Lamp', variants: [{ sku: 'LAMP', prices: [] }] } })
    const metrics = async () => (await fetch(`${url}/metrics`)).text()
    const well = await eventually(metrics, text => /messaging_critical_time_seconds_count\{consumer="search\S+ [1-9]/.test(text))
    assert.match(well, /messaging_broker_connected\{system="postgresql"\} 1/)
    assert.match(well, /messaging_relay_active\{service="product"\} 1/)
    await assertFiring([], { before: well, since: await metrics() })
  })

  test('OutboxNotMoving and RelayAbsent: nobody moves what is announced', async () => {
    await using service = await openWatched()
    await service.database.transact(tx => change(tx, 'a'))
    const before = await scrape()
    await assertFiring(['RelayAbsent'], { before, since: before })
    // Made a minute ago, as its id tells.
    await service.admin.query("update outbox set event_id = uuidv7(interval '-1 minute')")
    assert.ok((await figure('messaging_outbox_oldest_seconds')) >= 60)
    await assertSetsOff(['OutboxNotMoving', 'RelayAbsent'], before)
  })

  test('EventsNotPublished and BrokerDisconnected: the broker is away', async () => {
    await using service = await openWatched()
    const place = await createTestDatabase()
    const broker = service.stack.use(await openBroker({ url: place.url }))
    service.stack.use(watchBroker(broker, []))
    startPublishing(service, broker)
    await eventually(
      () => figure('messaging_outlet_active'),
      active => active === 1
    )
    const before = await scrape()
    await assertFiring([], { before, since: before })
    await place[Symbol.asyncDispose]()
    await service.database.transact(tx => change(tx, 'a'))
    await eventually(
      () => figure('messaging_outlet_lag'),
      lag => lag === 1
    )
    await service.admin.query(`update event_log set logged_at = now() - interval '2 minutes'`)
    assert.equal(await figure('messaging_broker_connected'), 0)
    await eventually(
      () => figure('messaging_client_operation_duration_seconds_count', 'outcome="failed"'),
      count => count > 0
    )
    await assertSetsOff(['EventsNotPublished', 'BrokerDisconnected'], before)
  })

  test('OutletAbsent: nobody publishes what was moved', async () => {
    await using service = await openWatched()
    const eventLog = openWakeup(service.database, 'event log')
    service.stack.use(
      startRelay({ database: service.database, outbox: openWakeup(service.database, 'outbox'), eventLog, log: quiet })
    )
    await service.admin.query(`insert into outlets (name) values ('broker')`)
    await eventually(
      () => figure('messaging_relay_active'),
      active => active === 1
    )
    const before = await scrape()
    await assertSetsOff(['OutletAbsent'], before)
  })

  test('EventsQuarantined: the broker refuses an event for good', async () => {
    await using service = await openWatched()
    startPublishing(
      service,
      taking(async messages => {
        throw new MessagesRefused(
          messages.map(message => message.messageId),
          'never'
        )
      })
    )
    await eventually(
      () => figure('messaging_outlet_active'),
      active => active === 1
    )
    const before = await scrape()
    await service.database.transact(tx => change(tx, 'a'))
    await eventually(
      () => figure('messaging_quarantined_events'),
      count => count === 1
    )
    await assertSetsOff(['EventsQuarantined'], before)
  })

  test('OrderViolation: an event leaves after a later one of its subject', async () => {
    await using service = await openWatched()
    startPublishing(service, taking())
    await eventually(
      () => figure('messaging_outlet_active'),
      active => active === 1
    )
    const before = await scrape()
    for (const n of [1, 3, 2]) await service.database.transact(async tx => announce(tx, ThingChanged, { thingId: 'a', n }, n))
    await eventually(
      () => figure('messaging_sent_messages_total'),
      count => count === 3
    )
    assert.equal(await figure('messaging_order_violations_total'), 1)
    await assertSetsOff(['OrderViolation'], before)
  })

  test('DeadLetters, and a day later DeadLettersForgotten: a message can never be handled', async () => {
    await using service = await openWatched()
    startPublishing(service, taking())
    await eventually(
      () => figure('messaging_outlet_active'),
      active => active === 1
    )
    const before = await scrape()
    await consume(service.consumer({}), delivered('a', 1, { body: 'not JSON' }))
    assert.equal(await figure('messaging_dead_letters', 'tested.things'), 1)
    await assertSetsOff(['DeadLetters'], before)
    await service.admin.query(`update dead_letters set received_at = now() - interval '25 hours'`)
    await assertSetsOff(['DeadLetters', 'DeadLettersForgotten'], before)
  })

  test('MessagesParkedLong: a message fails again and again', async () => {
    await using service = await openWatched()
    startPublishing(service, taking())
    await eventually(
      () => figure('messaging_outlet_active'),
      active => active === 1
    )
    const before = await scrape()
    const failing = service.consumer({
      reactions: [on(ThingChanged, () => Promise.reject(new Error('not now')))],
      retryDelaysMs: [60_000]
    })
    await consume(failing, delivered('a', 1))
    await consume(failing, delivered('a', 2))
    assert.equal(await figure('messaging_parked', 'reason="failed"'), 1)
    assert.equal(await figure('messaging_parked', 'reason="behind"'), 1)
    await service.admin.query(`update parked_messages set parked_at = now() - interval '20 minutes'`)
    await assertSetsOff(['MessagesParkedLong'], before)
  })

  test('MessagesUnstorable: a message could not even be set aside', async () => {
    await using service = await openWatched()
    startPublishing(service, taking())
    await eventually(
      () => figure('messaging_outlet_active'),
      active => active === 1
    )
    const before = await scrape()
    const failing = service.consumer({ reactions: [on(ThingChanged, () => Promise.reject(new Error('not now')))] })
    assert.equal(await consume(failing, delivered('a', 1, { headers: { note: 'zero \u0000 byte' } })), 'dead-letter')
    await assertSetsOff(['MessagesUnstorable'], before)
  })

  test('SignatureFailures: a message is not from whom it says', async () => {
    await using service = await openWatched()
    startPublishing(service, taking())
    await eventually(
      () => figure('messaging_outlet_active'),
      active => active === 1
    )
    const before = await scrape()
    const check = async () => ({ kind: 'refused', fault: 'signature-invalid', error: 'forged' }) as const
    await consume(service.consumer({ signatures: { check, keyWaitMs: 0 } }), delivered('a', 1))
    await assertSetsOff(['DeadLetters', 'SignatureFailures'], before)
  })

  test('ConsumerBehind: nobody takes what waits in the broker', async () => {
    await using place = await createTestDatabase()
    await using broker = await openBroker({ url: place.url })
    const group = { group: 'tested.things', topics: ['product.events'] }
    using _watching = watchBroker(broker, [group])
    await (await broker.subscribe({ ...group, concurrency: 1, handle: async () => 'ack' }))[Symbol.asyncDispose]()
    const before = await scrape()
    const messages = Array.from({ length: 1001 }, (_, n) => ({ ...delivered('a', n), routingKey: 'thing.changed.v1' }))
    await broker.publish(messages)
    assert.equal(await figure('messaging_consumer_lag'), 1001)
    await assertSetsOff(['ConsumerBehind'], before)
  })

  test('ConsumerSlow: events have their effect minutes after they happened', async () => {
    await using service = await openWatched()
    startPublishing(service, taking())
    await eventually(
      () => figure('messaging_outlet_active'),
      active => active === 1
    )
    const happened = (ago: number) => ({ event: { timestamp: new Date(Date.now() - ago).toISOString() } })
    await consume(service.consumer({}), delivered('a', 1, happened(0)))
    const before = await scrape()
    await consume(service.consumer({}), delivered('a', 2, happened(120_000)))
    await assertSetsOff(['ConsumerSlow'], before)
  })

  test('EventsUnroutable: RabbitMQ has no queue for what is published', { skip: noRabbitMq }, async () => {
    const unroutable = (topic: string) => unroutableEvents.inc({ topic })
    await using broker = await openBroker({ url: await testRabbitMqUrl(), log: { warn() {}, unroutable } })
    const before = await scrape()
    const topic = `nobody-${randomUUID()}`
    await broker.publish([{ ...delivered('a', 1), topic, routingKey: 'thing.changed.v1' }])
    await eventually(
      () => figure('messaging_unroutable_messages_total', topic),
      count => count === 1
    )
    await assertSetsOff(['EventsUnroutable'], before)
  })

  test('BreakerOpen: a service that we call does not answer', async () => {
    await using neighbour = await startNeighbour()
    await using client = openHttpClient({ url: neighbour.url, name: 'neighbour', service: 'tested', tries: 1 })
    await client.call('GET', '/things')
    const before = await scrape()
    await assertFiring([], { before, since: before })
    neighbour.line.cut()
    for (let n = 0; n < 5; n++) await assert.rejects(client.call('GET', '/things'))
    assert.equal(await figure('http_client_breaker_state', 'integration="neighbour"'), 2)
    await assertSetsOff(['BreakerOpen'], before)
  })

  test('AuditNotSealed: nobody puts the audit log into its chain', async () => {
    await using service = await openWatched()
    service.stack.use(watchAudit('tested', service.database))
    startPublishing(service, taking())
    await eventually(
      () => figure('messaging_outlet_active'),
      active => active === 1
    )
    await service.database.transact(tx => changeAudited(tx, 'a'))
    const before = await scrape()
    await assertFiring([], { before, since: before })
    await service.admin.query('alter table audit_records disable trigger append_only')
    await service.admin.query(`update audit_records set at = now() - interval '2 minutes'`)
    await assertSetsOff(['AuditNotSealed'], before)
  })

  /** A receiver of webhooks that takes nothing, and what delivers to it. */
  async function openWebhooks(answer: WebhookReceiver['answer']) {
    await using stack = new AsyncDisposableStack()
    const receiver = stack.use(await startWebhookReceiver())
    receiver.answer = answer
    const settings = { WEBHOOK_ALLOW_HTTP: '1', WEBHOOK_ALLOW_PRIVATE: '1' }
    const service = stack.use(await runService(productService, settings, { parts: ['relay', 'webhooks'] }))
    const body = { url: receiver.url, eventTypes: ['*'], inFlightMax: 1 }
    const path = (await service.request('POST', '/v1/webhook-endpoints', body)).headers.get('location')!
    await eventually(
      async () => (await scrape()).match(/^messaging_(?:relay|outlet)_active\{service="product".* 1$/gm)?.length,
      active => active === 3
    )
    const held = stack.move()
    const ping = () => service.request('POST', `${path}/ping`)
    return { receiver, service, path, ping, [Symbol.asyncDispose]: () => held.disposeAsync() }
  }

  test('WebhooksLate: what is due is tried by nobody', async () => {
    await using webhooks = await openWebhooks(() => () => {})
    await webhooks.ping()
    await eventually(
      async () => webhooks.receiver.received.length,
      received => received === 1
    )
    const before = await scrape()
    await assertFiring([], { before, since: before })
    await webhooks.ping()
    await webhooks.service.database.query(
      `update webhook_deliveries set next_attempt_at = now() - interval '3 minutes' where attempts = 0`
    )
    await assertSetsOff(['WebhooksLate'], before)
  })

  test('WebhookEndpointFailing: a receiver takes nothing', async () => {
    await using webhooks = await openWebhooks(() => 500)
    const before = await scrape()
    await assertFiring([], { before, since: before })
    await webhooks.ping()
    await eventually(
      async () => (await webhooks.service.request('GET', webhooks.path)).body,
      ({ failingSince }) => failingSince !== null
    )
    await assertSetsOff(['WebhookEndpointFailing'], before)
  })

  test('TracesLost: the collector takes nothing', async () => {
    await using collector = await startCollector()
    await using tracing = startTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER_ARG: 1 }, quiet)
    collector.answer = 400
    const lose = async (so: number) => {
      startSpan!('lost', { service: 'tested', kind: 'server', attributes: {} }).end()
      await eventually(
        () => figure('tracing_spans_total', 'lost'),
        lost => lost === so
      )
    }
    await lose(1)
    const before = await scrape()
    await lose(2)
    await assertSetsOff(['TracesLost'], before)
    assert.ok(tracing)
  })

  test('have all been shown, and each says what to do on a page that has it', { skip: noRabbitMq }, () => {
    const rules = readFileSync(join(import.meta.dirname, '../deploy/prometheus/alerts.yaml'), 'utf8')
    const page = readFileSync(join(import.meta.dirname, '../docs/operations/alerts.md'), 'utf8')
    const alerts = Array.from(rules.matchAll(/alert: (\w+)/g), ([, alert]) => alert!)
    assert.deepEqual(alerts.toSorted(), [...shown].toSorted())
    const links = Array.from(rules.matchAll(/runbook: docs\/operations\/alerts\.md#(\w+)/g), ([, link]) => link!)
    assert.equal(links.length, alerts.length)
    const headings = Array.from(page.matchAll(/^## (\w+)/gm), ([, heading]) => heading!.toLowerCase())
    for (const link of links) assert.ok(headings.includes(link), `docs/operations/alerts.md has no heading for #${link}`)
  })
})
