import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { assertProblem } from '../../../../test/support/problem.ts'
import { type Reply, type RunningService, runService } from '../../../../test/support/service.ts'
import { productService } from '../service.ts'

let service: RunningService
before(async () => {
  service = await runService(productService)
})
after(() => service[Symbol.asyncDispose]())

const PATH = '/v1/webhook-endpoints'
const body = { url: 'https://hooks.example.com/products', eventTypes: ['ProductCreated'] }
const as = (who: string) => ({ authorization: `Bearer ${who}` })
/** May have webhooks, and is nobody in particular. */
const partner = as('partner webhooks:read webhooks:write')

async function create(more: object = {}, headers = as('anybody')): Promise<Reply['body']> {
  const reply = await service.request('POST', PATH, { ...body, ...more }, headers)
  assert.equal(reply.status, 201, JSON.stringify(reply.body))
  return reply.body
}

const pathOf = ({ webhookEndpointId }: Reply['body']) => `${PATH}/${webhookEndpointId}`
const faultsOf = ({ body }: Reply) => body.errors?.map(({ pointer, detail }: Record<string, string>) => `${pointer} ${detail}`)

test('an endpoint comes with its secret, which is shown once, and is there to be read without it', async () => {
  const headers = { 'idempotency-key': randomUUID() }
  const first = await service.request('POST', PATH, body, headers)
  const again = await service.request('POST', PATH, body, headers)
  assert.match(first.body.secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
  assert.deepEqual([again.status, again.body], [201, { ...first.body, secret: null }])
  const { secret: _, ...shown } = first.body
  const read = await service.request('GET', first.headers.get('location')!)
  assert.deepEqual([read.body, read.headers.get('etag')], [shown, '"1"'])
  assert.deepEqual(
    [shown.ordering, shown.inFlightMax, shown.requestsPerSecond, shown.status, shown.filter],
    ['none', 5, null, 'enabled', null]
  )
})

test('an address that is not public, and everything else that is wrong, is refused at once and with its place', async () => {
  for (const url of [
    'http://hooks.example.com/',
    'https://127.0.0.1/',
    'https://10.0.0.1/',
    'https://localhost/',
    'https://a.example:22/'
  ])
    assert.match(faultsOf(await service.request('POST', PATH, { ...body, url }))[0], /^#\/url /, url)
  const filter = { productId: ['p'], colour: ['red'] }
  const reply = await service.request('POST', PATH, { url: 'ftp://x', eventTypes: ['*', 'ProductCreated'], filter })
  assertProblem(reply, 'invalid-request')
  assert.deepEqual(
    faultsOf(reply).map((fault: string) => fault.split(' ')[0]),
    ['#/url', '#/eventTypes', '#/filter/colour']
  )
  for (const wrong of [
    { eventTypes: ['OrderCreated'] },
    { eventTypes: [] },
    { inFlightMax: 51 },
    { ordering: 'fifo' },
    { extra: 1 }
  ])
    assertProblem(await service.request('POST', PATH, { ...body, ...wrong }), 'invalid-request')
})

test('who may not read an event cannot have it delivered either, by name or as part of everything', async () => {
  assertProblem(
    await service.request('POST', PATH, { ...body, eventTypes: ['InventoryReserved'] }, partner),
    'event-type-not-permitted'
  )
  const made = await create({ eventTypes: ['*'] }, partner)
  const change = { eventTypes: ['ProductCreated', 'InventoryReserved'] }
  assertProblem(await service.request('PATCH', pathOf(made), change, partner), 'event-type-not-permitted')
})

test('an endpoint and its deliveries are its owner’s: others are told that there is none, and operators see all', async () => {
  const made = await create({}, partner)
  const ping = await service.request('POST', `${pathOf(made)}/ping`, undefined, partner)
  const delivery = `/v1/webhook-deliveries/${ping.body.webhookDeliveryId}`
  const other = as('other webhooks:read webhooks:write')
  const tries: [string, string, unknown?][] = [
    ['GET', pathOf(made)],
    ['PATCH', pathOf(made), { description: 'mine' }],
    ['DELETE', pathOf(made)],
    ['POST', `${pathOf(made)}/ping`],
    ['POST', `${pathOf(made)}/rotate-secret`, {}],
    ['POST', `${pathOf(made)}/redeliver`, { from: '2026-01-01T00:00:00Z' }],
    ['GET', delivery],
    ['POST', `${delivery}/redeliver`]
  ]
  for (const [method, path, sent] of tries) {
    const refused = await service.request(method, path, sent, other)
    const nowhere = await service.request(
      method,
      path.replace(/[0-9a-f-]{36}/, '01990000-0000-7000-8000-000000000000'),
      sent,
      other
    )
    assertProblem(refused, 'not-found')
    assert.equal(refused.body.detail, nowhere.body.detail)
  }
  const idsSeen = async (headers: Record<string, string>) => {
    const { body: seen } = await service.request('GET', `${PATH}?limit=100`, undefined, headers)
    return seen.data.map((endpoint: Reply['body']) => endpoint.webhookEndpointId)
  }
  assert.deepEqual(await idsSeen(other), [])
  assert.ok((await idsSeen(partner)).includes(made.webhookEndpointId))
  const operator = as('operator webhooks:read webhooks:write operations:read operations:write')
  assert.ok((await idsSeen(operator)).includes(made.webhookEndpointId))
  const { body: seen } = await service.request('GET', '/v1/webhook-deliveries', undefined, other)
  assert.deepEqual(seen.data, [])
  assert.equal((await service.request('GET', delivery, undefined, operator)).status, 200)
  // They end it and take it up again, and have nothing sent elsewhere.
  for (const status of ['disabled', 'enabled'])
    assert.equal((await service.request('PATCH', pathOf(made), { status }, operator)).status, 200)
  for (const change of [{ url: 'https://elsewhere.example/' }, { eventTypes: ['*'] }, { status: 'disabled', filter: null }])
    assertProblem(await service.request('PATCH', pathOf(made), change, operator), 'not-owner')
  assertProblem(await service.request('POST', `${pathOf(made)}/rotate-secret`, {}, operator), 'not-owner')
  // Who may only look may not touch.
  const looking = as('looking webhooks:read webhooks:write operations:read')
  assertProblem(await service.request('DELETE', pathOf(made), undefined, looking), 'not-found')
  assert.equal((await service.request('DELETE', pathOf(made), undefined, operator)).status, 204)
})

test('two users of one client have each their own', async () => {
  const made = await create({}, as('shop webhooks:read webhooks:write as=u-1'))
  assertProblem(await service.request('GET', pathOf(made), undefined, as('shop webhooks:read as=u-2')), 'not-found')
})

test('a change needs the version that was read, makes the next, and one that changes nothing makes none', async () => {
  const made = await create()
  const {
    status,
    body: changed,
    headers
  } = await service.request('PATCH', pathOf(made), { inFlightMax: 2, filter: { slug: ['a'] } })
  assert.deepEqual([status, changed.inFlightMax, changed.filter, headers.get('etag')], [200, 2, { slug: ['a'] }, '"2"'])
  assert.equal((await service.request('PATCH', pathOf(made), { inFlightMax: 2 })).headers.get('etag'), '"2"')
  assertProblem(await service.request('PATCH', pathOf(made), { inFlightMax: 3 }, { 'if-match': '"1"' }), 'precondition-failed')
  const { body: cleared } = await service.request('PATCH', pathOf(made), { filter: null, description: null })
  assert.equal(cleared.filter, null)
})

test('one that is disabled says by whom and since when, is pinged by nobody, and is enabled again', async () => {
  const made = await create()
  const { body: disabled } = await service.request('PATCH', pathOf(made), { status: 'disabled' })
  assert.deepEqual([disabled.status, disabled.disabledReason], ['disabled', 'by-request'])
  assert.ok(Date.parse(disabled.disabledAt) > 0)
  assertProblem(await service.request('POST', `${pathOf(made)}/ping`), 'illegal-transition')
  const redeliver = { from: new Date().toISOString() }
  assertProblem(await service.request('POST', `${pathOf(made)}/redeliver`, redeliver), 'illegal-transition')
  const { body: enabled } = await service.request('PATCH', pathOf(made), { status: 'enabled' })
  assert.deepEqual([enabled.status, enabled.disabledReason, enabled.disabledAt], ['enabled', null, null])
})

test('a secret is exchanged while the one before still signs; a third waits for an end, or ends them', async () => {
  const made = await create()
  const rotate = (sent: object) => service.request('POST', `${pathOf(made)}/rotate-secret`, sent)
  const { body: second } = await rotate({})
  assert.match(second.secret, /^whsec_/)
  assert.notEqual(second.secret, made.secret)
  const [old, fresh] = second.secrets
  const inADay = Date.now() + 86_400_000
  assert.ok(Math.abs(Date.parse(old.endsAt) - inADay) < 60_000)
  assert.equal(fresh.endsAt, null)
  assertProblem(await rotate({}), 'illegal-transition')
  const { body: third } = await rotate({ previousEndsAt: '2026-01-01T00:00:00Z' })
  assert.equal(third.secrets.length, 1)
})

test('nobody has more than a hundred endpoints, however many are asked for at once', async () => {
  const many = as('many webhooks:read webhooks:write')
  await Promise.all(Array.from({ length: 97 }, () => create({}, many)))
  const replies = await Promise.all(Array.from({ length: 8 }, () => service.request('POST', PATH, body, many)))
  assert.equal(replies.filter(({ status }) => status === 201).length, 3)
  for (const reply of replies.filter(({ status }) => status !== 201)) assertProblem(reply, 'limit-reached')
  await create({}, as('another webhooks:write'))
})
