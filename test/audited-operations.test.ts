/** Every operation that changes something says in the audit log who did it, once, in the transaction of the change; stock in its ledger. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { Operation } from '#contracts/define.ts'
import type { Row } from '#platform/postgres/database.ts'
import type { Service } from '#platform/service.ts'
import { orderService } from '../src/services/order/service.ts'
import { productService } from '../src/services/product/service.ts'
import { searchService } from '../src/services/search/service.ts'
import { userService } from '../src/services/user/service.ts'
import { type RunningService, runService } from './support/service.ts'
import {
  type ValidRequest,
  validOrderRequest,
  validProductRequest,
  validSearchRequest,
  validUserRequest
} from './support/valid-requests.ts'
import { eventually } from './support/world.ts'

const services = [
  { service: productService, validRequest: (running, operationId) => validProductRequest(running, operationId, 'ada') },
  { service: orderService, validRequest: validOrderRequest },
  { service: userService, validRequest: validUserRequest },
  { service: searchService, validRequest: validSearchRequest }
] satisfies { service: Service; validRequest: (running: RunningService, operationId: string) => Promise<ValidRequest> }[]

const changing = (service: Service) =>
  Object.entries<Operation>(service.api.operations).filter(([, { method }]) => method !== 'GET')

/** Their records are entries of the ledger, which the ledger's own tests speak of. */
const ofLedger = ['createAdjustments', 'createReservation', 'commitReservation', 'releaseReservation']
/** Asked by POST since the question is long, or telling something without changing anything. */
const changingNothing = ['recordProductView', 'checkAvailability', 'introspectApiKey']

test('what leaves no record is in a list, with what records it instead', () => {
  const all = services.flatMap(({ service }) => changing(service))
  const named = (audit: Operation['audit']) => all.filter(([, operation]) => operation.audit === audit).map(([name]) => name)
  assert.deepEqual(named('ledger').sort(), ofLedger.toSorted())
  assert.deepEqual(named('nothing').sort(), changingNothing.toSorted())
  const reading = services
    .flatMap(({ service }) => Object.values<Operation>(service.api.operations))
    .filter(each => each.method === 'GET')
  assert.ok(reading.every(({ audit }) => audit === undefined))
})

type Recorded = Row & {
  operation: string
  outcome: string
  status: number
  code: string | null
  resource_type: string
  resource_id: string | null
  issuer: string
  subject: string
  client_id: string
  ip: string
  request_id: string
  trace_id: string
  before: string | null
  after: string | null
}

const recordsOf = ({ database }: RunningService, requestId: string) =>
  database.query<Recorded>('select * from audit_records where request_id = $1', [requestId])

const traceId = '0af7651916cd43dd8448eb211c80319c'

for (const { service, validRequest } of services) {
  describe(`the ${service.name} service`, () => {
    let running: RunningService
    before(async () => {
      running = await runService(service)
    })
    after(() => running[Symbol.asyncDispose]())
    const ask = (operation: Operation, valid: Awaited<ReturnType<typeof validRequest>>, headers: Record<string, string>) =>
      running.request(
        operation.method,
        operation.path.replace(/\{(\w+)\}/g, (_, name) => valid.params?.[name] ?? ''),
        valid.body,
        {
          'idempotency-key': randomUUID(),
          ...(valid.mediaType ? { 'content-type': valid.mediaType } : {}),
          traceparent: `00-${traceId}-b7ad6b7169203331-01`,
          ...headers
        }
      )

    for (const [operationId, operation] of changing(service)) {
      const isRecorded = operation.audit === undefined
      test(`${operationId} leaves ${isRecorded ? 'one record, and none when it is repeated' : 'none'}`, async () => {
        const valid = await validRequest(running, operationId)
        const headers = { 'x-request-id': randomUUID(), 'idempotency-key': randomUUID(), authorization: 'Bearer ada' }
        const reply = await ask(operation, valid, headers)
        assert.ok(reply.status < 300 || reply.status === 409, JSON.stringify(reply.body))
        if (!operationId.startsWith('replay')) await ask(operation, valid, headers)
        const records = await recordsOf(running, headers['x-request-id'])
        // Of many that are replayed, each has a transaction of its own.
        const changes = operationId === 'replayDeadLetters' ? reply.body.replayed + reply.body.failed : 1
        assert.equal(records.length, isRecorded ? changes : 0)
        const [record] = records
        if (!record) return
        assert.deepEqual(
          [record.subject, record.client_id, record.issuer, record.trace_id, record.ip],
          ['ada', 'ada', 'test', traceId, '127.0.0.1']
        )
        assert.equal(record.outcome, reply.status === 409 ? 'refused' : 'done')
        assert.equal(record.code, reply.status === 409 ? reply.body.code : null)
        if (reply.status === 409) return
        // A change is told by what was and what is; what appears has no before, what goes has no after.
        assert.equal(record.after === null, operation.method === 'DELETE')
        if (operation.method === 'DELETE' || operation.method === 'PATCH') assert.notEqual(record.before, null)
      })
    }

    test('each refused to somebody who may not leaves one record', async () => {
      const params = new Proxy({}, { get: () => '01990000-0000-7000-8000-000000000000' })
      for (const [operationId, operation] of changing(service)) {
        const headers = { 'x-request-id': `${operationId}-refused`, authorization: 'Bearer eve none' }
        assert.equal((await ask(operation, { params }, headers)).status, 403, operationId)
      }
      for (const [operationId] of changing(service)) {
        const [record, ...more] = await eventually(
          () => recordsOf(running, `${operationId}-refused`),
          records => records.length > 0
        )
        assert.deepEqual(more, [])
        assert.deepEqual(
          [record!.operation, record!.outcome, record!.status, record!.code, record!.subject, record!.before, record!.after],
          [operationId, 'refused', 403, 'insufficient-scope', 'eve', null, null]
        )
      }
    })
  })
}

test('whoever may not read is recorded too; whoever is nobody is not', async () => {
  await using running = await runService(productService)
  const ids = [randomUUID(), randomUUID()] as const
  const refused = await running.request('GET', '/v1/products', undefined, {
    authorization: 'Bearer eve orders:read',
    'x-request-id': ids[0]
  })
  assert.equal(refused.status, 403)
  const nobody = await running.request('POST', '/v1/categories', { name: 'x' }, { authorization: '', 'x-request-id': ids[1] })
  assert.equal(nobody.status, 401)
  await eventually(
    () => recordsOf(running, ids[0]),
    records => records.length === 1
  )
  assert.deepEqual(await recordsOf(running, ids[1]), [])
})

test('a change is recorded with what was and what is of the members that differ', async () => {
  await using running = await runService(productService)
  const { body: product } = await running.request('POST', '/v1/products', { title: 'Boot', brand: 'Acme' })
  await running.request('PATCH', `/v1/products/${product.productId}`, { title: 'Shoe' })
  const [record] = await running.database.query<Recorded>(`select * from audit_records where operation = 'updateProduct'`)
  const { updatedAt: _, ...before } = JSON.parse(record!.before!)
  const { updatedAt: __, ...after } = JSON.parse(record!.after!)
  assert.deepEqual(
    [before, after],
    [
      { title: 'Boot', version: 1 },
      { title: 'Shoe', version: 2 }
    ]
  )
  assert.deepEqual([record!.resource_type, record!.resource_id], ['product', product.productId])
})

test('what is told once, and what is about a person, is withheld', async () => {
  await using running = await runService(productService)
  const { body: key } = await running.request('POST', '/v1/api-keys', { name: 'Partner', scopes: ['catalog:read'] })
  const [record] = await running.database.query<Recorded>(`select * from audit_records where operation = 'createApiKey'`)
  assert.equal(JSON.parse(record!.after!).key, '(withheld)')
  assert.ok(!JSON.stringify(record).includes(key.key))
  const webhook = { url: 'https://93.184.216.34/hook', eventTypes: ['ProductCreated'] }
  const { body: endpoint } = await running.request('POST', '/v1/webhook-endpoints', webhook)
  const path = `/v1/webhook-endpoints/${endpoint.webhookEndpointId}`
  const { body: rotated } = await running.request('POST', `${path}/rotate-secret`, {})
  const told = await running.database.query<Recorded>(
    `select * from audit_records where operation in ('createWebhookEndpoint', 'rotateWebhookSecret') order by operation`
  )
  assert.deepEqual(
    told.map(({ operation, after }) => [operation, JSON.parse(after!).secret]),
    [
      ['createWebhookEndpoint', '(withheld)'],
      ['rotateWebhookSecret', '(withheld)']
    ]
  )
  for (const { secret } of [endpoint, rotated]) assert.ok(secret.startsWith('whsec_') && !JSON.stringify(told).includes(secret))
  await using users = await runService(userService)
  await users.request('PATCH', '/v1/users/u-1', { name: 'Grace Hopper' })
  const [changed] = await users.database.query<Recorded>(`select * from audit_records where operation = 'updateUser'`)
  assert.equal(JSON.parse(changed!.after!).name, '(withheld)')
  assert.ok(!JSON.stringify(changed).includes('Grace'))
})
