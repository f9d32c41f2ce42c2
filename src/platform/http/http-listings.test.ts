import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { type Static, Type } from 'typebox'
import { defineApi } from '#contracts/define.ts'
import { assertProblem } from '../../../test/support/problem.ts'
import { type RunningService, runService } from '../../../test/support/service.ts'
import { eventually } from '../../../test/support/world.ts'
import { defineService } from '../service.ts'
import { type Asked, type Input, listing, write } from './handlers.ts'

const closed = { additionalProperties: false } as const
const Thing = Type.Object({ name: Type.String() })
const reply = { status: 200, body: Type.Object({ data: Type.Array(Thing) }), description: '' } as const
const api = defineApi({
  service: 'user',
  title: 'Things',
  version: '1.0.0',
  description: 'Things are listed.',
  operations: {
    listThings: {
      method: 'GET',
      path: '/v1/things',
      tag: '',
      summary: '',
      scope: 'users:read',
      query: Type.Object({ name: Type.Optional(Type.String({ maxLength: 9 })) }, closed),
      reply,
      revalidated: true
    },
    nameThing: {
      method: 'POST',
      path: '/v1/things',
      tag: '',
      summary: '',
      scope: 'users:write',
      body: Thing,
      reply: { status: 201, body: Thing, description: '' }
    }
  }
})

let reads = 0
/** A read that has its rows waits for this before it answers. */
let gate: Promise<void> | undefined

const service = defineService({
  name: 'user',
  api,
  migrations: new URL('../../services/user/migrations/', import.meta.url),
  handlers: {
    listThings: listing(async ({ database }, asked: Asked<typeof api.operations.listThings>) => {
      assert.deepEqual(Object.keys(asked), ['params', 'query'])
      reads++
      const data = await database.query('select name from things where $1::text is null or name = $1', [asked.query.name ?? null])
      await gate
      return JSON.stringify({ data })
    }),
    nameThing: write(async (tx, { body }: Input<typeof api.operations.nameThing>): Promise<Static<typeof Thing>> => {
      await tx.query('insert into things (name) values ($1)', [body.name])
      return body
    })
  },
  consumers: {},
  timers: []
})

let running: RunningService
before(async () => {
  running = await runService(service)
  await running.database.query('create table things (name text)')
  await running.database.query('grant all on things to public')
})
after(() => running[Symbol.asyncDispose]())
beforeEach(() => {
  reads = 0
  gate = undefined
})

const list = (name: string, headers: Record<string, string> = {}) =>
  running.request('GET', `/v1/things?name=${name}`, undefined, headers)
const countOf = async (name: string): Promise<number> => (await list(name)).body.data.length
const add = (name: string) => running.request('POST', '/v1/things', { name })

test('a listing is read once for all who ask the same at one moment, whoever they are, and anew for another question', async () => {
  await add('shared')
  const replies = await Promise.all(Array.from({ length: 20 }, (_, n) => list('shared', { authorization: `Bearer caller-${n}` })))
  for (const { body } of replies) assert.deepEqual(body, { data: [{ name: 'shared' }] })
  assert.equal(reads, 1)
  await list('other')
  assert.equal(reads, 2)
})

test('what was answered in this process is in every listing asked for after it', async () => {
  for (let n = 1; n <= 50; n++) {
    await Promise.all([add('mine'), list('mine'), list('mine')])
    assert.equal(await countOf('mine'), n)
  }
})

test('a listing that was being read when something was committed is given to nobody who asked later', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  gate = promise
  const early = list('late')
  await eventually(async () => reads, Boolean)
  gate = undefined
  await add('late')
  assert.equal(await countOf('late'), 1)
  resolve()
  assert.deepEqual((await early).body, { data: [] })
  assert.equal(await countOf('late'), 1)
})

test('a change by another process is seen within a second', async () => {
  assert.equal(await countOf('foreign'), 0)
  await running.database.query(`insert into things (name) values ('foreign')`)
  const since = performance.now()
  await eventually(
    () => countOf('foreign'),
    count => count === 1
  )
  // It is looked for every so often, on a machine that may be busy.
  assert.ok(performance.now() - since < 3000)
})

test('a listing is not sent to who has it', async () => {
  const { headers } = await list('known')
  const etag = headers.get('etag')!
  assert.deepEqual(
    [headers.get('cache-control'), headers.get('content-type')],
    ['private, no-cache', 'application/json; charset=utf-8']
  )
  const ask = async (method: string, known: string) => {
    const authorization = 'Bearer anybody'
    const reply = await fetch(`${running.url}/v1/things?name=known`, { method, headers: { authorization, 'if-none-match': known } })
    return [reply.status, reply.headers.get('etag'), reply.headers.get('cache-control'), await reply.text()]
  }
  for (const method of ['GET', 'HEAD'])
    for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*'])
      assert.deepEqual(await ask(method, known), [304, etag, 'private, no-cache', ''])
  assert.deepEqual(await ask('HEAD', '"x"'), [200, etag, 'private, no-cache', ''])
  assert.equal(reads, 1)
  await add('known')
  const changed = await list('known', { 'if-none-match': etag })
  assert.deepEqual([changed.status, changed.body.data.length], [200, 1])
  assert.notEqual(changed.headers.get('etag'), etag)
})

test('who may not list, or asks what is no question, is not given what others were', async () => {
  assert.equal((await list('secret')).status, 200)
  assertProblem(await list('secret', { authorization: '' }), 'unauthenticated')
  assertProblem(await list('secret', { authorization: 'Bearer anybody users:write' }), 'insufficient-scope')
  assertProblem(await list('secret', { accept: 'text/html' }), 'not-acceptable')
  assertProblem(await list('secret&x=1'), 'invalid-request')
  assertProblem(await list('much-too-long'), 'invalid-request')
})
