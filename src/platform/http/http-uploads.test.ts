import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientRequest, createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { json } from 'node:stream/consumers'
import { after, before, beforeEach, describe, test } from 'node:test'
import { Type } from 'typebox'
import { defineApi } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import { assertProblem } from '../../../test/support/problem.ts'
import { exchange } from '../../../test/support/raw-http.ts'
import { type RunningService, runService } from '../../../test/support/service.ts'
import { eventually } from '../../../test/support/world.ts'
import { defineService } from '../service.ts'
import { type Input, type Upload, type Uploaded, upload } from './handlers.ts'
import { openHttpClient } from './http-client.ts'

const File = Type.Object({ name: Type.String(), bytes: Type.Integer() })
const api = defineApi({
  service: 'user',
  title: 'Files',
  version: '1.0.0',
  description: 'Files come in.',
  operations: {
    takeFile: {
      method: 'POST',
      path: '/v1/files/{name}',
      tag: '',
      summary: '',
      scope: 'users:write',
      params: Type.Object({ name: Type.String() }),
      consumes: { 'text/csv': null, 'application/x-ndjson': File },
      reply: { status: 202, body: File, description: '' }
    }
  }
})

const MIB = 1_048_576
const BYTES_MAX = 16 * MIB
/** What `takeFile` was told and did since the test began. */
let seen: { bytes: number; ended: number; failed: Problem[]; discarded: string[]; mediaType?: string }
/** Nothing more is read until this is there. */
let gate: Promise<void> | undefined
let commits = 0

async function takeFile(
  _reading: unknown,
  { params: { name } }: Input<typeof api.operations.takeFile>,
  { chunks, mediaType }: Upload
): Promise<Uploaded<{ name: string; bytes: number }>> {
  seen.mediaType = mediaType
  let bytes = 0
  try {
    for await (const chunk of chunks) {
      bytes += chunk.length
      seen.bytes += chunk.length
      if (name === 'disliked' && bytes > MIB) throw new Problem('unavailable')
      await gate
    }
    seen.ended++
  } catch (error) {
    seen.failed.push(error as Problem)
    throw error
  }
  return {
    async commit(tx) {
      commits++
      await tx.query('insert into files (name, bytes) values ($1, $2)', [name, bytes])
      if (name === 'conflicting') throw new Problem('illegal-transition')
      if (name === 'cut') await tx.query('select pg_terminate_backend(pg_backend_pid())')
      if (name === 'deadlocked' && commits === 1) await tx.query(`do $$ begin raise sqlstate '40P01'; end $$`)
      return { name, bytes }
    },
    discard: async () => void seen.discarded.push(name)
  }
}

let running: RunningService
before(async () => {
  const service = defineService({
    name: 'user',
    api,
    migrations: new URL('../../services/user/migrations/', import.meta.url),
    handlers: { takeFile: upload(takeFile) },
    consumers: {},
    timers: []
  })
  running = await runService(service, { IMPORT_BYTES_MAX: String(BYTES_MAX) })
  await running.database.query('create table files (name text, bytes bigint)')
  await running.database.query('grant all on files to public')
})
after(() => running[Symbol.asyncDispose]())
beforeEach(() => {
  seen = { bytes: 0, ended: 0, failed: [], discarded: [] }
  gate = undefined
  commits = 0
})

const sizesOf = async (name: string) =>
  (await running.database.query<{ bytes: number }>('select bytes from files where name = $1', [name])).map(({ bytes }) => bytes)
const until = (wanted: () => boolean | Promise<boolean>) => eventually(async () => wanted(), Boolean)
const csv = { authorization: 'Bearer anybody', 'content-type': 'text/csv' }
const send = (name: string, body: string, headers: Record<string, string> = {}) =>
  running.request('POST', `/v1/files/${name}`, body, { 'content-type': 'text/csv', ...headers })

/** A request whose body is written by the test. */
function open(name: string, headers: Record<string, string> = { 'transfer-encoding': 'chunked' }): ClientRequest {
  const request = httpRequest(`${running.url}/v1/files/${name}`, { method: 'POST', agent: false, headers: { ...csv, ...headers } })
  request.on('error', () => {}).flushHeaders()
  return request
}

async function replyTo(request: ClientRequest) {
  const [reply] = (await once(request, 'response')) as [IncomingMessage]
  return { status: reply.statusCode!, headers: new Headers(reply.headers as Record<string, string>), body: await json(reply) }
}

/** Holds the reading until it is called. */
function held(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  gate = promise
  return () => {
    gate = undefined
    resolve()
  }
}

describe('a body that is read as it comes', () => {
  test('is taken whole, with a length and in chunks, and also when there is nothing in it', async () => {
    assert.deepEqual((await send('said', 'a,b\n1,2\n')).body, { name: 'said', bytes: 8 })
    const chunked = open('chunked')
    for (let n = 0; n < 3; n++) chunked.write(Buffer.alloc(MIB))
    chunked.end()
    assert.deepEqual((await replyTo(chunked)).body, { name: 'chunked', bytes: 3 * MIB })
    assert.deepEqual((await send('empty', '')).body, { name: 'empty', bytes: 0 })
    assert.deepEqual(await sizesOf('chunked'), [3 * MIB])
  })

  test('is of a media type of the contract, in UTF-8, not compressed; else what may be sent is said, and nothing read', async () => {
    const refused: Record<string, string>[] = [
      { 'content-type': 'application/json' },
      { 'content-type': 'text/plain' },
      { 'content-type': 'text/csvx' },
      { 'content-type': 'rubbish' },
      { 'content-type': '*/*' },
      { 'content-type': 'text/csv; charset=latin1' },
      { 'content-encoding': 'gzip' },
      { 'content-encoding': 'br' }
    ]
    for (const headers of refused) {
      const reply = await send('typed', 'a', headers)
      assertProblem(reply, 'unsupported-media-type')
      assert.equal(reply.headers.get('accept-post'), 'text/csv, application/x-ndjson')
    }
    for (const body of ['', 'Content-Length: 3\r\n\r\nabc', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n']) {
      const start = 'POST /v1/files/typed HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer anybody\r\n'
      const [reply] = await exchange(running.url, `${start}${body || '\r\n'}`)
      assertProblem(reply!, 'unsupported-media-type')
      assert.equal(reply!.headers.get('accept-post'), 'text/csv, application/x-ndjson')
    }
    assert.equal(seen.ended, 0)
    assert.equal((await send('typed', 'a', { 'content-type': 'Text/CSV; charset="UTF-8"' })).status, 202)
    assert.equal(seen.mediaType, 'text/csv')
    assert.equal((await send('typed', '{}', { 'content-type': 'application/x-ndjson' })).status, 202)
    assert.equal(seen.mediaType, 'application/x-ndjson')
  })

  test('is taken at its limit; beyond it is refused, at once where its length is said, else as soon as it is reached', async () => {
    const said = open('large', { 'content-length': String(BYTES_MAX + 1) })
    assertProblem(await replyTo(said), 'payload-too-large')
    said.destroy()
    assert.equal(seen.bytes, 0)
    for (const extra of [0, 1]) {
      const unsaid = open('large')
      const reply = replyTo(unsaid)
      for (let n = 0; n < BYTES_MAX; n += MIB) if (!unsaid.write(Buffer.alloc(MIB))) await once(unsaid, 'drain')
      unsaid.end(Buffer.alloc(extra))
      if (extra === 0) assert.equal((await reply).status, 202)
      else assertProblem(await reply, 'payload-too-large')
    }
    assert.equal(seen.failed[0]?.code, 'payload-too-large')
    assert.deepEqual(await sizesOf('large'), [BYTES_MAX])
  })

  test('is heard of its refusal by who goes on sending all the same', async () => {
    for (const [name, code] of [
      ['large', 'payload-too-large'],
      ['disliked', 'unavailable']
    ] as const) {
      const request = open(name)
      let answered = false
      const reply = replyTo(request).finally(() => {
        answered = true
      })
      while (!answered && request.writable) {
        if (!request.write(Buffer.alloc(64 * 1024))) await Promise.race([once(request, 'drain'), reply])
      }
      assertProblem(await reply, code)
      request.destroy()
    }
  })

  test('is not taken faster than it is read', async () => {
    const goOn = held()
    const request = open('slow')
    let written = 0
    const write = () => {
      for (let goes = true; goes && written < 200; written++) goes = request.write(Buffer.alloc(MIB / 16))
    }
    request.on('drain', write)
    write()
    await until(() => seen.bytes > 0)
    let before = -1
    // Nothing moves any more: what was written lies in buffers of the kernel and of streams.
    await until(() => {
      const moved = written !== before
      before = written
      return !moved
    })
    assert.ok(seen.bytes <= MIB / 8, `${seen.bytes} bytes were read`)
    assert.ok(written < 190, `${written} of 200 pieces were written`)
    goOn()
    await until(() => written === 200)
    request.end()
    assert.equal((await replyTo(request)).status, 202)
  })

  test('is waited for once it was said that it may come', async () => {
    const socket = connect(Number(new URL(running.url).port), '127.0.0.1')
    const head = 'POST /v1/files/asked HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer anybody\r\nContent-Type: text/csv\r\n'
    socket.write(`${head}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`)
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 100 /)
    socket.write('abc')
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 202 /)
    socket.destroy()
  })

  test('ends with an error, not as if it were whole, when its sender goes away; nothing stays, and others are served', async () => {
    for (const headers of [{ 'content-length': '1000' }, { 'transfer-encoding': 'chunked' }] as Record<string, string>[]) {
      const request = open('gone', headers)
      const { bytes } = seen
      const { length } = seen.failed
      request.write('abc')
      await until(() => seen.bytes === bytes + 3)
      request.destroy()
      await until(() => seen.failed.length === length + 1)
      assert.equal(seen.failed.at(-1)?.code, 'malformed-http')
      assert.equal((await send('there', 'a')).status, 202)
    }
    assert.deepEqual(await sizesOf('gone'), [])
  })

  test('needs what every request needs', async () => {
    assertProblem(await send('x', 'a', { authorization: '' }), 'unauthenticated')
    assertProblem(await send('x', 'a', { authorization: 'Bearer anybody users:read' }), 'insufficient-scope')
    assertProblem(await send('x?y=1', 'a'), 'invalid-request')
    assertProblem(await send('x', 'a', { 'idempotency-key': '' }), 'invalid-request')
    assertProblem(await send('x', 'a', { accept: 'text/html' }), 'not-acceptable')
    assert.equal(seen.bytes, 0)
  })
})

describe('an upload under an Idempotency-Key', () => {
  test('takes effect once: the same again is answered as before and dropped, another body or type is refused and dropped', async () => {
    const key = { 'idempotency-key': 'file-1' }
    const first = await send('once', 'abc', key)
    const again = await send('once', 'abc', key)
    assert.deepEqual([first.status, again.status, again.body], [202, 202, first.body])
    assert.deepEqual(
      [first, again].map(({ headers }) => headers.get('idempotency-replayed')),
      [null, 'true']
    )
    assert.deepEqual(seen.discarded, ['once'])
    assertProblem(await send('once', 'abd', key), 'idempotency-key-reused')
    assertProblem(await send('once', 'abc', { ...key, 'content-type': 'application/x-ndjson' }), 'idempotency-key-reused')
    assertProblem(await send('other', 'abc', key), 'idempotency-key-reused')
    assert.deepEqual(seen.discarded, ['once', 'once', 'once', 'other'])
    assert.deepEqual(await sizesOf('once'), [3])
    assert.equal(
      (await send('once', 'abc', { ...key, authorization: 'Bearer somebody' })).headers.get('idempotency-replayed'),
      null
    )
  })

  test('is in flight from its first byte: who sends another meanwhile is told before they have sent it', async () => {
    const goOn = held()
    const key = { 'transfer-encoding': 'chunked', 'idempotency-key': 'file-2' }
    const first = open('twice', key)
    first.write('abc')
    await until(() => seen.bytes === 3)
    const second = open('twice', key)
    assertProblem(await replyTo(second), 'idempotency-in-flight')
    second.destroy()
    goOn()
    first.end()
    assert.equal((await replyTo(first)).status, 202)
    assert.equal((await send('twice', 'abc', { 'idempotency-key': 'file-2' })).status, 202)
    assert.deepEqual(await sizesOf('twice'), [3])
  })

  test('sent eight times at once is kept once', async () => {
    const replies = await Promise.all(Array.from({ length: 8 }, () => send('eight', 'abcd', { 'idempotency-key': 'file-3' })))
    for (const { status, body } of replies) assert.ok(status === 202 || body.code === 'idempotency-in-flight')
    assert.ok(replies.some(({ status }) => status === 202))
    assert.deepEqual(await sizesOf('eight'), [4])
  })

  test('that conflicts is remembered with its refusal, and dropped each time', async () => {
    const key = { 'idempotency-key': 'file-4' }
    for (const replayed of [null, 'true']) {
      const reply = await send('conflicting', 'a', key)
      assertProblem(reply, 'illegal-transition')
      assert.equal(reply.headers.get('idempotency-replayed'), replayed)
    }
    assert.equal(commits, 1)
    assert.deepEqual(seen.discarded, ['conflicting', 'conflicting'])
    assert.deepEqual(await sizesOf('conflicting'), [])
  })

  test('ends again when its transaction has to', async () => {
    assert.equal((await send('deadlocked', 'abc', { 'idempotency-key': 'file-5' })).status, 202)
    assert.equal(commits, 2)
    assert.deepEqual(await sizesOf('deadlocked'), [3])
  })

  test('is not dropped where nobody knows whether it was committed, and may be sent again', async () => {
    assertProblem(await send('cut', 'abc', { 'idempotency-key': 'file-6' }), 'unavailable')
    assert.deepEqual(seen.discarded, [])
    assert.deepEqual(await sizesOf('cut'), [])
  })
})

test('our own client sends a file as it is read, and repeats it under its key', async () => {
  const issuer = createServer((_request, reply) => reply.end('{"access_token":"anybody","expires_in":600}'))
  await once(issuer.listen(0, '127.0.0.1'), 'listening')
  const tokenUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`
  await using client = openHttpClient({ url: running.url, credentials: { tokenUrl, clientId: 'x', clientSecret: 'x' } })
  const file = (bytes?: number) => ({
    mediaType: 'text/csv',
    chunks: (async function* () {
      for (let n = 0; n < 5; n++) yield Buffer.from('12345')
    })(),
    idempotencyKey: 'file-7',
    ...(bytes && { bytes })
  })
  const sent = await client.upload<{ bytes: number }>('/v1/files/client', file())
  const again = await client.upload<{ bytes: number }>('/v1/files/client', file(25))
  assert.deepEqual([sent.status, sent.body.bytes, again.headers['idempotency-replayed']], [202, 25, 'true'])
  issuer.closeAllConnections()
  issuer.close()
})
