import assert from 'node:assert/strict'
import { createHmac, createPublicKey, verify } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { type Reply, type RunningService, runService } from '../../../../test/support/service.ts'
import { type Received, startWebhookReceiver, type WebhookReceiver } from '../../../../test/support/webhook-receiver.ts'
import { eventually } from '../../../../test/support/world.ts'
import { productService } from '../service.ts'

const settings = {
  WEBHOOK_ALLOW_HTTP: '1',
  WEBHOOK_ALLOW_PRIVATE: '1',
  WEBHOOK_RETRY_DELAYS_MS: '50,50,50',
  WEBHOOK_TIMEOUT_MS: '1000',
  SIGNING_KEY_SECRET: 'a secret that is long enough for tests'
}

/** What is answered on a path. */
const answering = new Map<string, WebhookReceiver['answer']>()

let service: RunningService
let receiver: WebhookReceiver
before(async () => {
  service = await runService(productService, settings, { parts: ['relay', 'webhooks'] })
  receiver = await startWebhookReceiver()
  receiver.answer = received => answering.get(received.path)?.(received) ?? 204
})
after(async () => {
  await service[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

type Json = Reply['body']

async function ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Json> {
  const reply = await service.request(method, path, body, headers)
  assert.ok(reply.status < 300, `${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
  return reply.body
}

let paths = 0
/** An endpoint with a path of its own, on which it finds what it was sent. */
async function endpoint(more: object = {}, headers?: Record<string, string>) {
  const path = `/${++paths}`
  const made = await ask(
    'POST',
    '/v1/webhook-endpoints',
    { url: receiver.url + path, eventTypes: ['CategoryCreated'], ...more },
    headers
  )
  const id: string = made.webhookEndpointId
  return {
    ...{ id, path, secret: made.secret as string },
    received: () => receiver.received.filter(each => each.path === path),
    read: () => ask('GET', `/v1/webhook-endpoints/${id}`),
    change: (to: object) => ask('PATCH', `/v1/webhook-endpoints/${id}`, to),
    deliveries: async (): Promise<Json[]> => (await ask('GET', `/v1/webhook-deliveries?webhookEndpointId=${id}&limit=100`)).data,
    /** On its path alone. */
    answers: (answer: WebhookReceiver['answer']) => answering.set(path, answer)
  }
}

let names = 0
const category = (name = `Category ${++names}`): Promise<Json> =>
  ask('POST', '/v1/categories', { name, slug: `category-${++names}` })
const until = <T>(asked: () => Promise<T> | T, wanted: (answer: T) => boolean) => eventually(async () => asked(), wanted)
const subjects = (all: readonly Received[]) => all.map(({ body }) => JSON.parse(body).categoryId)

describe('a delivery', () => {
  test('is the event, byte for byte, signed with the secret of its endpoint and with the key of the service', async () => {
    const hook = await endpoint()
    const { categoryId } = await category()
    const [{ headers, body, id }] = (await until(hook.received, all => all.length === 1)) as [Received]
    const [logged] = await service.database.query<{ event_id: string; body: string }>(
      `select event_id, body from event_log where key = $1 and type = 'CategoryCreated'`,
      [categoryId]
    )
    assert.deepEqual([id, body], [logged!.event_id, logged!.body])
    const at = Number(headers['webhook-timestamp'])
    assert.ok(Math.abs(at - Date.now() / 1000) < 60)
    const signed = `${id}.${at}.${body}`
    const [shared, own] = String(headers['webhook-signature']).split(' ') as [string, string]
    const key = Buffer.from(hook.secret.slice('whsec_'.length), 'base64')
    assert.equal(shared, `v1,${createHmac('sha256', key).update(signed).digest('base64')}`)
    const { keys } = await ask('GET', '/.well-known/jwks.json')
    const verified = keys.map((jwk: never) =>
      verify(
        null,
        Buffer.from(signed),
        createPublicKey({ key: jwk, format: 'jwk' }),
        Buffer.from(own.slice('v1a,'.length), 'base64')
      )
    )
    assert.ok(verified.includes(true))
    assert.deepEqual(
      [headers['ce-id'], headers['ce-type'], headers['content-type']],
      [id, 'category.created.v1', 'application/json']
    )
  })

  test('that fails is tried again with the same id and a signature of its own, and every try is in its log', async () => {
    const hook = await endpoint()
    hook.answers(() => (hook.received().length < 3 ? response => response.writeHead(503).end('not now\u0000') : 200))
    await category()
    const tries = await until(hook.received, all => all.length === 3)
    assert.equal(new Set(tries.map(({ id }) => id)).size, 1)
    const [listed] = await until(hook.deliveries, ([each]) => each?.status === 'delivered')
    const { log, body, ...delivery } = await ask('GET', `/v1/webhook-deliveries/${listed.webhookDeliveryId}`)
    assert.deepEqual(delivery, listed)
    assert.equal(body, tries[0]!.body)
    assert.deepEqual(
      log.map(({ attempt, responseStatus, error, responseBody }: Json) => [attempt, responseStatus, error, responseBody]),
      [
        [3, 200, null, null],
        [2, 503, 'answered 503', 'not now\ufffd'],
        [1, 503, 'answered 503', 'not now\ufffd']
      ]
    )
  })

  test('is given up after the last try, and delivered when somebody asks for it once more', async () => {
    const hook = await endpoint()
    hook.answers(() => 500)
    await category()
    const [given] = await until(hook.deliveries, ([each]) => each?.status === 'failed')
    assert.deepEqual([given.attempts, given.nextAttemptAt, given.lastResponseStatus], [4, null, 500])
    assert.equal(hook.received().length, 4)
    hook.answers(() => 200)
    const again = await ask('POST', `/v1/webhook-deliveries/${given.webhookDeliveryId}/redeliver`)
    assert.deepEqual([again.status, again.attempts], ['pending', 4])
    const [delivered] = await until(hook.deliveries, ([each]) => each?.status === 'delivered')
    assert.equal(delivered.attempts, 5)
    assert.equal(new Set(hook.received().map(({ id }) => id)).size, 1)
  })

  test('follows no redirect', async () => {
    const [hook, other] = [await endpoint(), await endpoint({ eventTypes: ['ProductCreated'] })]
    hook.answers(() => response => response.writeHead(302, { location: receiver.url + other.path }).end())
    await category()
    const [failed] = await until(hook.deliveries, ([each]) => each?.status === 'failed')
    assert.equal(failed.lastError, 'answered 302')
    assert.deepEqual(other.received(), [])
  })

  test('waits as long as a busy receiver asks for', async () => {
    const hook = await endpoint()
    hook.answers(() => response => response.writeHead(429, { 'retry-after': '3600' }).end())
    await category()
    const [waiting] = await until(hook.deliveries, ([each]) => each?.attempts === 1)
    const inMs = Date.parse(waiting.nextAttemptAt) - Date.now()
    assert.ok(inMs > 3_500_000 && inMs <= 3_600_000, String(inMs))
  })

  test('of a ping goes the same way', async () => {
    const hook = await endpoint()
    const ping = await ask('POST', `/v1/webhook-endpoints/${hook.id}/ping`)
    const [{ body, id }] = (await until(hook.received, all => all.length === 1)) as [Received]
    assert.equal(id, ping.messageId)
    const { eventId, eventType, webhookEndpointId } = JSON.parse(body)
    assert.deepEqual([eventId, eventType, webhookEndpointId], [id, 'WebhookPing', hook.id])
    await until(hook.deliveries, ([each]) => each?.status === 'delivered')
  })

  test('is signed with both secrets while one is exchanged for another, and with the new one alone after that', async () => {
    const hook = await endpoint()
    const rotated = await ask('POST', `/v1/webhook-endpoints/${hook.id}/rotate-secret`, {})
    const signers = async () => {
      const before = hook.received().length
      await category()
      const { id, headers, body } = (await until(hook.received, all => all.length > before)).at(-1)!
      const signed = `${id}.${headers['webhook-timestamp']}.${body}`
      const signatures = String(headers['webhook-signature']).split(' ')
      const by = (secret: string) =>
        `v1,${createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
          .update(signed)
          .digest('base64')}`
      return [hook.secret, rotated.secret].map(secret => signatures.includes(by(secret)))
    }
    await until(signers, ([, second]) => second === true)
    assert.deepEqual(await signers(), [true, true])
    await ask('POST', `/v1/webhook-endpoints/${hook.id}/rotate-secret`, { previousEndsAt: '2026-01-01T00:00:00Z' })
    await until(signers, ([first, second]) => !first && !second)
  })
})

describe('an endpoint', () => {
  test('gets what passes its filter and was published after it was there, and nothing else', async () => {
    const before = await category()
    const hook = await endpoint({ filter: { name: ['Wanted'] }, eventTypes: ['CategoryCreated', 'CategoryUpdated'] })
    await category('Unwanted')
    const wanted = await category('Wanted')
    await ask('PATCH', `/v1/categories/${wanted.categoryId}`, { slug: 'wanted-now' })
    await until(hook.received, all => all.length === 2)
    assert.deepEqual(subjects(hook.received()), [wanted.categoryId, wanted.categoryId])
    assert.ok(!subjects(hook.received()).includes(before.categoryId))
  })

  test('misses nothing that is published after it was made, however much is published at that moment', async () => {
    let isOver = false
    const made: string[] = []
    const publishing = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!isOver) made.push((await category()).categoryId)
      })
    )
    for (let n = 0; n < 5; n++) {
      const hook = await endpoint()
      const from = made.length
      await until(
        () => made.length,
        length => length > from + 8
      )
      // Begun after the endpoint was there: each of the four publishers had one under way.
      const expected = made.slice(from + 4, from + 8)
      await until(
        () => subjects(hook.received()),
        got => expected.every(id => got.includes(id))
      )
    }
    isOver = true
    await publishing
  })

  test('in order of the key has each wait for the one before, and no other key', async () => {
    const hook = await endpoint({ ordering: 'key', eventTypes: ['CategoryCreated', 'CategoryUpdated'] })
    hook.answers(() => 500)
    const first = await category()
    await until(hook.received, all => all.length >= 1)
    await ask('PATCH', `/v1/categories/${first.categoryId}`, { slug: `later-${names}` })
    hook.answers(({ body }) => (JSON.parse(body).categoryId === first.categoryId ? 500 : 200))
    const second = await category()
    await until(hook.received, all => subjects(all).includes(second.categoryId))
    await until(hook.deliveries, all => all.some(each => each.key === first.categoryId && each.status === 'failed'))
    const seen = hook
      .received()
      .map(({ body }) => JSON.parse(body))
      .filter(({ categoryId }) => categoryId === first.categoryId)
    const types = seen.map(({ eventType }) => eventType)
    assert.deepEqual(types, types.toSorted())
    await until(hook.received, all => all.some(({ body }) => JSON.parse(body).eventType === 'CategoryUpdated'))
  })

  test('that hangs delays no other', async () => {
    const [dead, well] = [await endpoint(), await endpoint()]
    dead.answers(() => () => {})
    const ids: string[] = []
    for (let n = 0; n < 20; n++) ids.push((await category()).categoryId)
    await until(
      () => subjects(well.received()),
      got => ids.every(id => got.includes(id))
    )
    assert.ok((await dead.deliveries()).every(({ status }) => status !== 'delivered'))
    await dead.change({ status: 'disabled' })
  })

  test('of which a secret cannot be opened gets nothing, and others get theirs', async () => {
    const [broken, well] = [await endpoint(), await endpoint()]
    await broken.change({ status: 'disabled' })
    await service.database.query(`update webhook_secrets set secret = 'not sealed by us' where webhook_endpoint_id = $1`, [
      broken.id
    ])
    await broken.change({ status: 'enabled' })
    const { categoryId } = await category()
    await until(broken.deliveries, all => all.some(each => each.key === categoryId))
    const [later] = [await endpoint()]
    const second = await category()
    await until(
      () => subjects(later.received()),
      got => got.includes(second.categoryId)
    )
    await until(
      () => subjects(well.received()),
      got => got.includes(second.categoryId)
    )
    assert.deepEqual(broken.received(), [])
    assert.ok((await broken.deliveries()).every(({ status, attempts }) => status === 'pending' && attempts === 0))
    await broken.change({ status: 'disabled' })
  })

  test('that answers 410 is disabled, and gets what it missed when that is asked for', async () => {
    const hook = await endpoint()
    const from = new Date(Date.now() - 1000).toISOString()
    hook.answers(() => 410)
    await category()
    const gone = await until(hook.read, ({ status }) => status === 'disabled')
    assert.equal(gone.disabledReason, 'gone')
    const missed = [(await category()).categoryId, (await category()).categoryId]
    hook.answers(() => 200)
    await hook.change({ status: 'enabled' })
    await ask('POST', `/v1/webhook-endpoints/${hook.id}/ping`)
    await until(hook.deliveries, all => all.some(({ eventType, status }) => eventType === 'WebhookPing' && status === 'delivered'))
    assert.ok(!subjects(hook.received()).some(id => missed.includes(id)))
    const redeliver = (more: object) => ask('POST', `/v1/webhook-endpoints/${hook.id}/redeliver`, { from, ...more })
    const { redelivered: planned } = await redeliver({ dryRun: true })
    const { redelivered, next } = await redeliver({})
    assert.deepEqual([redelivered, next], [planned, null])
    assert.ok(redelivered >= 2)
    await until(
      () => subjects(hook.received()),
      got => missed.every(id => got.includes(id))
    )
    await until(hook.deliveries, all => all.every(({ status }) => status === 'delivered'))
    assert.equal((await redeliver({})).redelivered, 0)
    assert.ok((await redeliver({ delivered: true })).redelivered >= planned)
  })

  test('that has failed for days, and nothing else, is disabled; one success begins the count anew', async () => {
    const hook = await endpoint()
    hook.answers(() => 500)
    await category()
    const failing = await until(hook.read, ({ failingSince }) => failingSince !== null)
    assert.equal(failing.status, 'enabled')
    hook.answers(() => 200)
    await until(hook.read, ({ failingSince }) => failingSince === null)
    const failsFor = (hours: number) =>
      service.database.query(
        'update webhook_endpoints set failing_since = now() - make_interval(hours => $2) where webhook_endpoint_id = $1',
        [...[hook.id, hours]]
      )
    hook.answers(() => 500)
    await category()
    await until(hook.read, ({ failingSince }) => failingSince !== null)
    await failsFor(119)
    const [{ attempts }] = await hook.deliveries()
    await until(hook.deliveries, ([each]) => each.attempts > attempts)
    assert.equal((await hook.read()).status, 'enabled')
    await failsFor(121)
    assert.equal((await until(hook.read, ({ status }) => status === 'disabled')).disabledReason, 'failing')
  })

  test('that is deleted gets nothing more, and its deliveries are there for nobody', async () => {
    const hook = await endpoint()
    hook.answers(() => 500)
    await category()
    const [delivery] = await until(hook.deliveries, all => all.length === 1)
    await service.request('DELETE', `/v1/webhook-endpoints/${hook.id}`)
    assert.equal((await service.request('GET', `/v1/webhook-deliveries/${delivery.webhookDeliveryId}`)).status, 404)
    const [well] = [await endpoint()]
    const { categoryId } = await category()
    await until(
      () => subjects(well.received()),
      got => got.includes(categoryId)
    )
    assert.ok(!subjects(hook.received()).includes(categoryId))
  })
})

describe('the owner of an endpoint', () => {
  test('who may not read an event any more is not sent what waits, and no later one', async () => {
    const operator = { authorization: 'Bearer operator webhooks:read webhooks:write operations:read' }
    const hook = await endpoint({ eventTypes: ['ProductViewed', 'CategoryCreated'] }, operator)
    hook.answers(() => response => response.writeHead(503, { 'retry-after': '1' }).end())
    const { productId } = await ask('POST', '/v1/products', { title: 'Lamp', status: 'draft' })
    const viewed = () => ask('POST', `/v1/products/${productId}/views`, {})
    await viewed()
    await until(hook.received, all => all.length === 1)
    await service.database.query(`update webhook_endpoints set owner_scopes = '{webhooks:write}' where webhook_endpoint_id = $1`, [
      hook.id
    ])
    hook.answers(() => 200)
    const [cancelled] = await until(hook.deliveries, ([each]) => each.status === 'cancelled')
    assert.deepEqual([cancelled.attempts, cancelled.lastError], [1, 'event-type-not-permitted'])
    const seenBy = async (who: string) => {
      const path = `/v1/webhook-deliveries/${cancelled.webhookDeliveryId}`
      return (await ask('GET', path, undefined, { authorization: `Bearer operator ${who}` })).body
    }
    assert.equal(await seenBy('webhooks:read'), null)
    assert.equal(JSON.parse(await seenBy('webhooks:read operations:read')).eventType, 'ProductViewed')
    await viewed()
    const { categoryId } = await category()
    await until(
      () => subjects(hook.received()),
      got => got.includes(categoryId)
    )
    assert.equal((await hook.deliveries()).filter(({ eventType }) => eventType === 'ProductViewed').length, 1)
  })

  const ended = (hook: Awaited<ReturnType<typeof endpoint>>) => until(hook.read, ({ status }) => status === 'disabled')

  test('who is suspended, or has no role any more that has webhooks, is sent nothing more', async () => {
    const user = (id: string) => ({ authorization: `Bearer page webhooks:read webhooks:write as=${id}` })
    const [suspended, demoted, well] = [
      await endpoint({}, user('u-1')),
      await endpoint({}, user('u-2')),
      await endpoint({}, user('u-3'))
    ]
    const told = (userId: string, status: string, roles: string[]) =>
      service.database.query(`insert into known_users (user_id, roles, status, sequence, told_at) values ($1, $2, $3, 1, now())`, [
        ...[userId, roles, status]
      ])
    await told('u-1', 'suspended', ['admin'])
    await told('u-2', 'active', ['viewer'])
    await told('u-3', 'active', ['partner-read'])
    assert.equal((await ended(suspended)).disabledReason, 'owner-ended')
    assert.equal((await ended(demoted)).disabledReason, 'owner-ended')
    const { categoryId } = await category()
    await until(
      () => subjects(well.received()),
      got => got.includes(categoryId)
    )
    for (const hook of [suspended, demoted]) assert.deepEqual(hook.received(), [])
  })
})
