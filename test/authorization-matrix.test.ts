/** Every role, and nobody, against every operation of every service, over HTTP: what the contracts say is what is done. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { apis } from '#contracts/catalogue.ts'
import type { Operation } from '#contracts/define.ts'
import { allRoles, type RoleName, roles } from '#contracts/roles.ts'
import type { Scope } from '#contracts/scopes.ts'
import type { AskUser } from '#platform/identity/known-users.ts'
import { services } from '../src/roles.ts'
import { assertProblem } from './support/problem.ts'
import { type Reply, type RunningService, runService } from './support/service.ts'
import { unchanged } from './support/unchanged.ts'
import {
  type ValidRequest,
  validOrderRequest,
  validProductRequest,
  validSearchRequest,
  validUserRequest
} from './support/valid-requests.ts'

const valid = { product: validProductRequest, order: validOrderRequest, user: validUserRequest, search: validSearchRequest }
type Name = keyof typeof valid

/** Somebody of each role, who is named after it. */
const askUser: AskUser = async userId => ({ userId, roles: [userId], status: 'active', version: 1 })
/** What a refusal does leave, beside its record in the audit log: what was asked about the user. */
const tracks = ['known_users']

/** Written apart from the table of roles: what each is for, as the requirements have it. */
const expected: Readonly<Record<RoleName, RegExp>> = {
  viewer: /^(catalog|inventory):read$/,
  'catalog-editor': /^(catalog:(read|write)|imports:write|inventory:read)$/,
  pricing: /^(catalog:read|prices:write)$/,
  inventory: /^(catalog:read|inventory:(read|write))$/,
  merchandiser: /^(catalog:(read|write)|imports:write|prices:write|inventory:(read|write))$/,
  customer: /^(catalog:read|orders:(read|write))$/,
  'order-service': /^(catalog:read|inventory:read|reservations:write)$/,
  'partner-read': /^((catalog|inventory|events):read|webhooks:(read|write))$/,
  operator: /^(events:read|(operations|webhooks):(read|write))$/,
  auditor: /:read$/,
  admin: /./
}
const mayDo = (role: RoleName, { scope }: Operation) => scope === null || expected[role].test(scope)

function sending({ url }: RunningService, { method, path }: Operation, { params = {}, query, body, mediaType }: ValidRequest) {
  const address = url + path.replace(/\{(\w+)\}/g, (_, name) => params[name]!) + (query ? `?${query}` : '')
  return async (authorization: string | undefined, headers: Record<string, string> = {}): Promise<Reply> => {
    const response = await fetch(address, {
      method,
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': mediaType ?? 'application/json' }),
        ...(method === 'GET' ? {} : { 'idempotency-key': crypto.randomUUID() }),
        ...headers
      },
      ...(body === undefined ? {} : { body: mediaType ? String(body) : JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000)
    })
    const text = await response.text()
    const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, body: isJson && text !== '' ? JSON.parse(text) : text }
  }
}

const asClient = (role: RoleName) => `Bearer ${role} ${(roles[role].scopes as readonly Scope[]).join(' ')}`
/** A token with every scope in the name of a user with this role. */
const asUser = (role: RoleName) => `Bearer shop as=${role}`

const serviceOf = (name: string) => services.find(service => service.name === name)!

let cells = 0
for (const api of apis) {
  describe(`the ${api.service} service`, () => {
    let service: RunningService
    before(async () => {
      service = await runService(serviceOf(api.service), {}, { askUser })
      if (api.service !== 'user') return
      await service.database.query(`insert into users (user_id, name, roles) select r, r, array[r] from unnest($1::text[]) r`, [
        allRoles
      ])
    })
    after(() => service[Symbol.asyncDispose]())

    for (const [operationId, operation] of Object.entries(api.operations)) {
      test(`${operationId} is done for ${allRoles.filter(role => mayDo(role, operation)).join(', ')}, and for nobody else`, async () => {
        const send = sending(service, operation, await valid[api.service as Name](service, operationId))
        const refused = allRoles.filter(role => !mayDo(role, operation))
        await unchanged(
          service.database,
          async () => {
            for (const authorization of operation.scope === null ? [] : [undefined, 'Bearer']) {
              const reply = await send(authorization)
              assertProblem(reply, 'unauthenticated')
              assert.match(reply.headers.get('www-authenticate')!, /^Bearer realm="product-service"/)
              cells++
            }
            for (const role of refused) {
              const reply = await send(asClient(role))
              assertProblem(reply, 'insufficient-scope')
              assert.match(reply.headers.get('www-authenticate')!, challengeOf(operation))
              // Whoever may not do it, may not by another name of the method either.
              assertProblem(await send(asUser(role), overriding(operation.method === 'GET' ? 'POST' : 'GET')), 'insufficient-role')
              cells++
            }
          },
          tracks
        )
        for (const role of allRoles.filter(role => !refused.includes(role))) {
          for (const authorization of [asClient(role), asUser(role)]) {
            const { status, body } = await send(authorization)
            // What a role allows may still be somebody's alone.
            const isRefused = status === 401 || (status === 403 && body.code !== 'not-owner')
            assert.ok(status < 500 && !isRefused, `${role}: ${status} ${JSON.stringify(body)}`)
          }
          cells++
        }
      })
    }
  })
}

const overriding = (method: string) =>
  Object.fromEntries(['x-http-method-override', 'x-http-method', 'x-method-override', '_method'].map(name => [name, method]))

const challengeOf = ({ scope }: Operation) =>
  new RegExp(`^Bearer realm="product-service", error="insufficient_scope", scope="${scope}"`)

test('a method override makes no read of a write, and no write of a read', async () => {
  await using service = await runService(serviceOf('product'))
  const send = sending(service, apis[0]!.operations.getProduct!, await validProductRequest(service, 'getProduct'))
  await unchanged(service.database, async () => {
    for (const method of ['DELETE', 'PATCH', 'POST']) assert.equal((await send('Bearer anybody', overriding(method))).status, 200)
  })
})

test('a route that no contract declares keeps the service from starting', async () => {
  const user = serviceOf('user')
  for (const url of ['/v1/secrets', '/health/secrets', '/oauth/secrets/all', '*']) {
    const service = {
      ...user,
      extend: async () => (app: { get(url: string, answer: () => string): unknown }) => void app.get(url, () => 's')
    }
    await assert.rejects(runService(service), {
      message: `GET ${url} is no operation of the user contract with a scope, nor listed as open`
    })
  }
  const { getUser } = user.api.operations
  const undeclared = { ...user.api, operations: { getUser: { ...getUser!, scope: undefined as never } } }
  await assert.rejects(
    runService({ ...user, api: undeclared }),
    /GET \/v1\/users\/:userId is no operation of the user contract with a scope/
  )
})

test('the matrix had a cell for every role and for nobody, of every operation', () => {
  const operations = apis.flatMap(api => Object.values(api.operations))
  assert.equal(
    cells,
    operations.reduce((sum, { scope }) => sum + allRoles.length + (scope === null ? 0 : 2), 0)
  )
})
