import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientRequest, createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Static, Type } from 'typebox'
import { defineApi } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import { assertProblem } from '../../test/support/problem.ts'
import { type RunningService, runService } from '../../test/support/service.ts'
import { eventually } from '../../test/support/world.ts'
import { download, listing, upload, write } from './handlers.ts'
import { openHttpClient } from './http-client.ts'
import { defineService } from './service.ts'

const closed = { additionalProperties: false } as const
const File = Type.Object({ name: Type.String(), bytes: Type.Integer() })
const api = defineApi({
  service: 'user',
  title: 'Files',
  version: '1.0.0',
  description: 'Files come and go.',
  operations: {
    takeFile: {
      method: 'POST',
      path: '/v1/files',
      tag: '',
      summary: '',
      scope: 'users:write',
      query: Type.Object({ name: Type.Optional(Type.String()) }, closed),
      consumes: { 'text/csv': null, 'application/x-ndjson': File },
      reply: { status: 202, body: File, description: '' }
    },
    giveFile: {
      method: 'GET',
      path: '/v1/files/{lines}',
      tag: '',
      summary: '',
      scope: 'users:read',
      params: Type.Object({ lines: Type.Integer() }),
      reply: { status: 200, body: File, mediaType: 'application/x-ndjson', description: '' }
    },
    listFiles: {
      method: 'GET',
      path: '/v1/files',
      tag: '',
      summary: '',
      scope: 'users:read',
      query: Type.Object({ name: Type.Optional(Type.String()) }, closed),
      reply: { status: 200, body: Type.Object({ data: Type.Array(File) }), description: '' }
    },
    nameFile: {
      method: 'POST',
      path: '/v1/names',
      tag: '',
      summary: '',
      scope: 'users:write',
      body: File,
      reply: { status: 201, body: File, description: '' }
    }
  }
})

const MIB = 1_048_576
const UPLOAD_BYTES_MAX = 64 * MIB
let taken = 0
let discarded = 0
let closedDownloads = 0
let reads = 0
let gate: Promise<void> | undefined
let held: Promise<void> | undefined

const insert = 'insert into files (name, bytes) values ($1, $2)'

const service = defineService({
  name: 'user',
  api,
  migrations: new URL('../services/user/migrations/', import.meta.url),
  handlers: {
    takeFile: upload(async (_reading, { query }: { query: { name?: string } }, { chunks, mediaType }) => {
      assert.ok(Object.hasOwn(api.operations.takeFile.consumes, mediaType))
      let bytes = 0
      for await (const chunk of chunks) {
        bytes += chunk.length
        taken += chunk.length
        await gate
      }
      const name = query.name ?? 'nameless'
      if (name === 'refused') throw new Problem('invalid-request')
      return {
        async commit(tx) {
          if (name === 'conflicting') throw new Problem('illegal-transition')
          await tx.query(insert, [name, bytes])
          return { name, bytes }
        },
        discard: async () => void discarded++
      }
    }),
    giveFile: download(async (_reading, { params: { lines } }: { params: { lines: number } }) => {
      if (lines === 0) throw new Problem('not-found')
      return {
        filename: 'files.ndjson',
        headers: { 'x-lines': String(lines) },
        chunks: (async function* () {
          try {
            if (lines === 13) throw new Problem('unavailable')
            for (let line = 0; line < lines; line++) {
              if (lines === 2000 && line === 1313) throw new Error('in the middle')
              yield `${JSON.stringify({ name: 'x'.repeat(1000), bytes: line })}\n`
            }
          } finally {
            closedDownloads++
          }
        })()
      }
    }),
    listFiles: listing(async ({ database }, { query }: { query: { name?: string } }) => {
      reads++
      const data = await database.query('select name, bytes from files where $1::text is null or name = $1 order by name, bytes', [
        query.name ?? null
      ])
      await held
      return JSON.stringify({ data })
    }),
    nameFile: write(async (tx, { body }: { body: Static<typeof File> }) => {
      await tx.query(insert, [body.name, body.bytes])
      tx.afterCommit(() => tx.origin.changed('files'))
      return body
    })
  },
  consumers: {},
  timers: []
})

let running: RunningService
before(async () => {
  running = await runService(service, { IMPORT_BYTES_MAX: String(UPLOAD_BYTES_MAX) })
  await running.database.query('create table files (name text, bytes bigint)')
  await running.database.query('grant all on files to public')
})
after(() => running[Symbol.asyncDispose]())
beforeEach(() => {
  taken = discarded = closedDownloads = reads = 0
  gate = held = undefined
})

const authorization = 'Bearer anybody'
const send = (body: string, headers: Record<string, string> = {}, query = '') =>
  running.request('POST', `/v1/files${query}`, body, { 'content-type': 'text/csv', ...headers })

function open(headers: Record<string, string>): ClientRequest {
  return httpRequest(`${running.url}/v1/files`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'text/csv', ...headers }
  })
}

async function replyOf(request: ClientRequest): Promise<{ status: number; body: string }> {
  const [reply] = (await once(request, 'response')) as [IncomingMessage]
  return { status: reply.statusCode!, body: await text(reply) }
}

function gated(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  gate = promise
  return resolve
}

const until = (wanted: () => boolean | Promise<boolean>) => eventually(async () => wanted(), Boolean)

const filesNamed = (name: string) => running.database.query('select bytes from files where name = $1', [name])

describe('a body that is read as it comes', () => {
  test('is taken however it is framed, and told by its length', async () => {
    assert.deepEqual((await send('a,b\n1,2\n')).body, { name: 'nameless', bytes: 8 })
    const chunked = open({ 'transfer-encoding': 'chunked' })
    for (let n = 0; n < 3; n++) chunked.write('x'.repeat(MIB))
    chunked.end()
    assert.deepEqual(await replyOf(chunked), { status: 202, body: JSON.stringify({ name: 'nameless', bytes: 3 * MIB }) })
    assert.deepEqual((await send('')).body, { name: 'nameless', bytes: 0 })
  })

  test('is of the media types of its contract, in UTF-8 and not compressed; what may be posted is said', async () => {
    for (const headers of [
      { 'content-type': 'application/json' },
      { 'content-type': 'text/plain' },
      { 'content-type': 'text/csv; charset=latin1' },
      { 'content-encoding': 'gzip' }
    ]) {
      const reply = await send('a', headers as Record<string, string>)
      assertProblem(reply, 'unsupported-media-type')
      assert.equal(reply.headers.get('accept-post'), 'text/csv, application/x-ndjson')
    }
    assert.equal((await send('a', { 'content-type': 'Text/CSV; charset="UTF-8"' })).status, 202)
    assertProblem(await running.request('POST', '/v1/names', 'a,b', { 'content-type': 'text/csv' }), 'unsupported-media-type')
  })

  test('is refused above the limit, at once where its length is said, else when it is reached; at the limit it is taken', async () => {
    const said = open({ 'content-length': String(UPLOAD_BYTES_MAX + 1) })
    said.flushHeaders()
    assert.equal((await replyOf(said)).status, 413)
    assert.equal(taken, 0)
    said.destroy()
    for (const [extra, status] of [
      [0, 202],
      [1, 413]
    ] as const) {
      const unsaid = open({ 'transfer-encoding': 'chunked' })
      const reply = replyOf(unsaid)
      for (let n = 0; n < UPLOAD_BYTES_MAX; n += MIB) if (!unsaid.write(Buffer.alloc(MIB))) await once(unsaid, 'drain')
      unsaid.end(Buffer.alloc(extra))
      assert.equal((await reply).status, status)
    }
  })

  test('is not taken faster than it is read', async () => {
    const goOn = gated()
    const request = open({ 'transfer-encoding': 'chunked' })
    let sent = 0
    while (request.write(Buffer.alloc(MIB)) && sent < 32) sent++
    const stalled = await Promise.race([once(request, 'drain').then(() => false), delay(300).then(() => true)])
    assert.ok(stalled || taken <= 2 * MIB, `${taken} bytes were taken`)
    assert.ok(taken < MIB)
    goOn()
    gate = undefined
    request.end()
    assert.equal((await replyOf(request)).status, 202)
  })

  test('that breaks off leaves nothing, whoever else is served', async () => {
    const before = await filesNamed('nameless')
    const request = open({ 'content-length': '1000' })
    request.on('error', () => {})
    request.write('abc')
    await until(() => taken === 3)
    request.destroy()
    assert.equal((await send('a', {}, '?name=other')).status, 202)
    assert.deepEqual(await filesNamed('nameless'), before)
  })

  test('is drained a while when it is refused early, so that the sender reads why', async () => {
    const request = open({ 'transfer-encoding': 'chunked', authorization: 'Bearer anybody users:read' })
    const reply = replyOf(request)
    for (let n = 0; n < 8; n++) request.write(Buffer.alloc(MIB))
    assert.equal((await reply).status, 403)
    request.destroy()
  })

  test('with an Idempotency-Key takes effect once; another body under the key is refused; what came again is dropped', async () => {
    const key = { 'idempotency-key': 'file-1' }
    const first = await send('abc', key, '?name=once')
    const again = await send('abc', key, '?name=once')
    assert.deepEqual([first.status, again.status, again.body], [202, 202, first.body])
    assert.equal(again.headers.get('idempotency-replayed'), 'true')
    assert.equal(discarded, 1)
    assertProblem(await send('abd', key, '?name=once'), 'idempotency-key-reused')
    assert.equal(discarded, 2)
    assert.deepEqual(await filesNamed('once'), [{ bytes: 3 }])
  })

  test('sent twice at once under one key is kept once', async () => {
    const key = { 'idempotency-key': 'file-2' }
    const replies = await Promise.all(Array.from({ length: 8 }, () => send('abcd', key, '?name=twice')))
    for (const reply of replies) assert.ok(reply.status === 202 || reply.body.code === 'idempotency-in-flight')
    assert.ok(replies.some(({ status }) => status === 202))
    assert.deepEqual(await filesNamed('twice'), [{ bytes: 4 }])
    assert.equal(discarded, 7)
  })

  test('that is refused is dropped, and the refusal of a conflict is remembered', async () => {
    assertProblem(await send('a', {}, '?name=refused'), 'invalid-request')
    const key = { 'idempotency-key': 'file-3' }
    assertProblem(await send('a', key, '?name=conflicting'), 'illegal-transition')
    const again = await send('a', key, '?name=conflicting')
    assert.equal(again.headers.get('idempotency-replayed'), 'true')
    assert.equal(discarded, 2)
  })

  test('is sent by our own client as it is read', async () => {
    const issuer = createServer((_request, reply) => reply.end(JSON.stringify({ access_token: 'anybody', expires_in: 600 })))
    await once(issuer.listen(0, '127.0.0.1'), 'listening')
    const tokenUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`
    await using client = openHttpClient({ url: running.url, credentials: { tokenUrl, clientId: '', clientSecret: '' } })
    const chunks = (async function* () {
      for (let n = 0; n < 5; n++) yield Buffer.from('12345')
    })()
    const reply = await client.upload<{ bytes: number }>('/v1/files?name=client', { mediaType: 'text/csv', chunks })
    assert.deepEqual([reply.status, reply.body.bytes], [202, 25])
    issuer.close()
  })
})

describe('an answer that is sent as it is made', () => {
  const get = (lines: number, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`${running.url}/v1/files/${lines}`, { method, headers: { authorization, ...headers } })

  test('comes whole, with its media type and name, and is let go of', async () => {
    const reply = await get(1300)
    assert.equal((await reply.text()).split('\n').length, 1301)
    assert.equal(reply.headers.get('content-type'), 'application/x-ndjson; charset=utf-8')
    assert.equal(reply.headers.get('content-disposition'), 'attachment; filename="files.ndjson"')
    assert.equal(reply.headers.get('x-lines'), '1300')
    await until(() => closedDownloads === 1)
  })

  test('that fails before its first piece is a problem; one that fails later is never a short answer', async () => {
    for (const [lines, status] of [
      [0, 404],
      [13, 503]
    ] as const) {
      const reply = await get(lines)
      assert.deepEqual([reply.status, reply.headers.get('content-type')], [status, 'application/problem+json; charset=utf-8'])
    }
    await assert.rejects(get(2000).then(reply => reply.text()))
    await until(() => closedDownloads === 2)
  })

  test('is let go of when the reader goes away, and not made faster than it is read', async () => {
    const leaving = new AbortController()
    const reply = await fetch(`${running.url}/v1/files/1000000`, { headers: { authorization }, signal: leaving.signal })
    const reader = reply.body!.getReader()
    await reader.read()
    assert.equal(closedDownloads, 0)
    leaving.abort()
    await until(() => closedDownloads === 1)
  })

  test('is not made for who asks for its head only, or does not take its media type', async () => {
    const head = await get(1300, {}, 'HEAD')
    assert.deepEqual([head.status, head.headers.get('x-lines'), await head.text()], [200, '1300', ''])
    await until(() => closedDownloads === 1)
    assert.equal((await get(5, { accept: 'application/json' })).status, 406)
    assert.equal((await get(5, { accept: 'application/x-ndjson' })).status, 200)
    assert.equal((await get(5, { accept: 'text/*, application/*;q=0.5' })).status, 200)
  })
})

describe('a listing', () => {
  const list = (query = '', headers: Record<string, string> = {}) => running.request('GET', `/v1/files${query}`, undefined, headers)
  const name = (name: string) => running.request('POST', '/v1/names', { name, bytes: 1 })

  test('is read once for all who ask the same within a second, and anew for another question', async () => {
    await name('shared')
    const replies = await Promise.all(Array.from({ length: 20 }, () => list('?name=shared')))
    for (const { body } of replies) assert.deepEqual(body, { data: [{ name: 'shared', bytes: 1 }] })
    assert.equal(reads, 1)
    await list('?name=shared2')
    assert.equal(reads, 2)
  })

  test('is always read anew after a change in this process', async () => {
    for (let n = 1; n <= 50; n++) {
      await Promise.all([name('mine'), list('?name=mine'), list('?name=mine')])
      assert.equal((await list('?name=mine')).body.data.length, n)
    }
  })

  test('that was being read when something changed is given to nobody who asked later', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    held = promise
    const early = list('?name=late')
    await until(() => reads === 1)
    held = undefined
    await name('late')
    assert.deepEqual((await list('?name=late')).body.data, [{ name: 'late', bytes: 1 }])
    resolve()
    assert.deepEqual((await early).body.data, [])
    assert.deepEqual((await list('?name=late')).body.data, [{ name: 'late', bytes: 1 }])
  })

  test('of another process is seen within a second', async () => {
    await list('?name=foreign')
    await running.database.query(insert, ['foreign', 1])
    const since = performance.now()
    await until(async () => (await list('?name=foreign')).body.data.length === 1)
    assert.ok(performance.now() - since < 1500)
  })

  test('is not sent to who has it', async () => {
    const { headers } = await list('?name=known')
    const known = { 'if-none-match': headers.get('etag')! }
    assert.equal((await list('?name=known', known)).status, 304)
    await name('known')
    assert.equal((await list('?name=known', known)).status, 200)
  })
})
