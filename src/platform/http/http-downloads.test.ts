import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, mock, test } from 'node:test'
import { Type } from 'typebox'
import { defineApi } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import { assertProblem } from '../../../test/support/problem.ts'
import type { Log } from '../log.ts'
import { download, type Input } from './handlers.ts'
import { serve } from './http.ts'
import type { Edge } from './http-answers.ts'
import { openHttpClient } from './http-client.ts'
import { piecesOf } from './http-downloads.ts'

const api = defineApi({
  service: 'test',
  title: 'Lines',
  version: '1.0.0',
  description: 'Lines go out.',
  operations: {
    giveLines: {
      method: 'GET',
      path: '/lines/{kind}',
      tag: '',
      summary: '',
      scope: null,
      params: Type.Object({ kind: Type.String() }),
      reply: { status: 200, body: Type.Object({}), mediaType: 'application/x-ndjson', description: '' }
    },
    giveTable: {
      method: 'GET',
      path: '/table',
      tag: '',
      summary: '',
      scope: null,
      reply: { status: 200, mediaType: 'text/csv', description: '' }
    }
  }
})

const LINES = 2000
const line = `${JSON.stringify({ name: 'x'.repeat(1000) })}\n`

/** A server that gives lines until told otherwise, and what it was seen to do. */
async function open() {
  const seen = { begun: 0, made: 0, ended: 0, errors: [] as string[] }
  const first = Promise.withResolvers<void>()
  async function* linesOf(kind: string): AsyncGenerator<string> {
    seen.begun++
    try {
      if (kind === 'late') await first.promise
      if (kind === 'away') throw new Problem('unavailable')
      if (kind === 'none') return
      for (let n = 0; kind === 'endless' || n < LINES; n++) {
        if (kind === 'broken' && n === 1313) throw new Error('in the middle')
        seen.made++
        yield n % 10 === 0 ? '' : line
      }
    } finally {
      seen.ended++
    }
  }
  const edge = {
    baseUrl: 'http://localhost:8080',
    log: { error: ({ err }: { err: Error }) => seen.errors.push(err.message) } as unknown as Log,
    handlers: {
      giveLines: download(async (_reading, { params: { kind } }: Input<typeof api.operations.giveLines>) => {
        if (kind === 'unknown') throw new Problem('not-found')
        return { filename: 'lines.ndjson', headers: { 'x-kind': kind }, chunks: linesOf(kind) }
      }),
      giveTable: download(async () => ({ chunks: linesOf('table') }))
    }
  } as unknown as Edge
  const log = { error: () => {}, isLevelEnabled: () => false } as unknown as Log
  const at = { host: '127.0.0.1', port: 0, shutdownTimeoutMs: 1000, inFlightMax: 100 }
  const authenticator = { authenticate: () => assert.fail('nobody is asked who they are') }
  const server = await serve({ api, edge, authenticator, log, baseUrl: edge.baseUrl, ...at })
  return {
    seen,
    url: server.url,
    letFirst: () => first.resolve(),
    ask: (kind: string, options: RequestInit = {}) => fetch(`${server.url}/lines/${kind}`, options),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]()
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

describe('an answer that is sent as it is made', () => {
  test('comes whole, with its media type and name, and is let go of', async () => {
    await using opened = await open()
    const { ask, seen, url } = opened
    const reply = await ask('all')
    assert.equal(await reply.text(), line.repeat((LINES * 9) / 10))
    assert.equal(reply.headers.get('content-type'), 'application/x-ndjson; charset=utf-8')
    assert.equal(reply.headers.get('content-disposition'), 'attachment; filename="lines.ndjson"')
    assert.deepEqual([reply.headers.get('x-kind'), reply.headers.get('cache-control')], ['all', 'no-store'])
    await until(() => seen.ended === 1)
    assert.equal(await (await ask('none')).text(), '')
    const table = await fetch(`${url}/table`)
    assert.deepEqual(
      [table.headers.get('content-type'), table.headers.get('content-disposition')],
      ['text/csv; charset=utf-8', null]
    )
    await table.text()
    assert.deepEqual([seen.begun, seen.ended, seen.errors.length], [3, 3, 0])
  })

  test('that fails before its first piece is a problem', async () => {
    await using opened = await open()
    const { ask, seen } = opened
    for (const [kind, code] of [
      ['unknown', 'not-found'],
      ['away', 'unavailable']
    ] as const) {
      const reply = await ask(kind)
      assertProblem({ status: reply.status, headers: reply.headers, body: await reply.json() }, code)
      assert.equal(reply.headers.get('content-disposition'), null)
      assert.equal((await ask(kind, { method: 'HEAD' })).status, reply.status)
    }
    assert.equal(seen.begun, seen.ended)
  })

  test('that fails later is never a short answer, and somebody is told', async () => {
    await using opened = await open()
    const { ask, seen } = opened
    const reply = await ask('broken')
    assert.equal(reply.status, 200)
    await assert.rejects(reply.text())
    await until(() => seen.ended === 1)
    assert.deepEqual(seen.errors, ['in the middle'])
  })

  test('is not made faster than it is read, and let go of when its reader leaves', async () => {
    await using opened = await open()
    const { seen, url } = opened
    const request = httpGet(`${url}/lines/endless`).on('error', () => {})
    const [reply] = (await once(request, 'response')) as [IncomingMessage]
    let before = -1
    // Nothing is made any more: what was lies in buffers of the kernel and of streams.
    for (let still = 0; still < 20; still = seen.made === before ? still + 1 : 0) {
      before = seen.made
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    assert.ok(seen.made < 20_000, `${seen.made} lines were made`)
    assert.equal(seen.ended, 0)
    reply.on('error', () => {})
    request.destroy()
    await until(() => seen.ended === 1)
    assert.deepEqual(seen.errors, [])
  })

  test('is let go of when its reader left before the first piece was there', async () => {
    await using opened = await open()
    const { seen, url, letFirst } = opened
    const request = httpGet(`${url}/lines/late`).on('error', () => {})
    await until(() => seen.begun === 1)
    const closed = new Promise(resolve => request.once('close', resolve))
    request.destroy()
    await closed
    letFirst()
    await until(() => seen.ended === 1)
    assert.ok(seen.made < LINES)
  })

  test('has a head like any other, of which no more than the first piece is made', async () => {
    await using opened = await open()
    const { ask, seen } = opened
    const lasting = ({ headers }: Response) =>
      [...headers].filter(([name]) => !['date', 'x-request-id', 'connection', 'keep-alive', 'transfer-encoding'].includes(name))
    const head = await ask('endless', { method: 'HEAD' })
    assert.deepEqual([head.status, await head.text()], [200, ''])
    assert.deepEqual([seen.made, seen.ended], [1, 1])
    const whole = await ask('all')
    assert.deepEqual(
      lasting(head).filter(([name]) => name !== 'x-kind'),
      lasting(whole).filter(([name]) => name !== 'x-kind')
    )
    await whole.text()
  })

  test('is not made for who does not take it', async () => {
    await using opened = await open()
    const { ask, seen, url } = opened
    for (const accept of ['application/json', 'text/html', 'application/x-ndjson;q=0', 'text/*'])
      assert.equal((await ask('none', { headers: { accept } })).status, 406, accept)
    assert.equal(seen.begun, 0)
    for (const accept of ['application/x-ndjson', 'Application/X-NDJSON', 'application/*', 'text/html, */*;q=0.1', 'rubbish'])
      assert.equal((await ask('none', { headers: { accept } })).status, 200, accept)
    assert.equal((await fetch(`${url}/table`, { headers: { accept: 'text/*' }, method: 'HEAD' })).status, 200)
  })

  test('is cut off when a piece is not taken in half a minute, and not while pieces are', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      let cut = 0
      let ended = false
      const made = (async function* () {
        try {
          for (;;) yield 'piece'
        } finally {
          ended = true
        }
      })()
      const pieces = piecesOf(await made.next(), made, () => cut++)
      for (let n = 0; n < 5; n++) {
        await pieces.next()
        mock.timers.tick(29_999)
      }
      assert.equal(cut, 0)
      mock.timers.tick(1)
      assert.equal(cut, 1)
      await pieces.return(undefined)
      assert.ok(ended)
      mock.timers.tick(100_000)
      assert.equal(cut, 1)
    } finally {
      mock.timers.reset()
    }
  })
})

test('our own client reads an answer as it comes, and a refusal as well', async () => {
  await using opened = await open()
  const { url, seen } = opened
  await using client = openHttpClient({ url })
  const { status, body } = await client.download('/lines/endless')
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > 1_000_000) break
  }
  assert.equal(status, 200)
  await until(() => seen.ended === 1)
  const refused = await client.download('/lines/unknown')
  assert.equal(refused.status, 404)
  assert.match(await text(refused.body), /"code":"not-found"/)
})
