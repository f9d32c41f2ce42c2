/** Files on their way through the gateway and a service's edge: as fast as both ends go, and never held in between. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get as httpGet, type IncomingMessage, type RequestListener, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { describe, mock, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { everybody } from '../../../test/support/admission.ts'
import { openLog } from '../log.ts'
import { serveGateway } from './http-gateway.ts'

const MIB = 1_048_576
/** More than the buffers of kernel and streams between two ends could hold. */
const FILE_BYTES = 200 * MIB
/** What they may hold, of all connections on the way. */
const HELD_BYTES_MAX = 64 * MIB
const piece = Buffer.alloc(MIB / 4, 'x')

/** A gateway before one service, which answers by `listener`. */
async function open(listener: RequestListener, timeoutMs?: number) {
  const stack = new AsyncDisposableStack()
  const service = createServer(listener).listen(0, '127.0.0.1')
  await once(service, 'listening')
  stack.defer(() => {
    service.closeAllConnections()
    service.close()
  })
  const gateway = stack.use(
    await serveGateway({
      upstreams: [
        { service: 'shop', url: `http://127.0.0.1:${(service.address() as AddressInfo).port}/v1`, resources: ['files'], beside: [] }
      ],
      document: () => ({}),
      admission: everybody,
      corsOrigins: [],
      log: openLog({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' }),
      baseUrl: 'http://localhost:8080',
      host: '127.0.0.1',
      port: 0,
      inFlightMax: 100,
      shutdownTimeoutMs: 1000,
      ...(timeoutMs && { timeoutMs })
    })
  )
  return { url: `${gateway.url}/v1/files`, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Waits until a figure stands still. */
async function standsStill(figure: () => number): Promise<void> {
  for (let still = 0, before = -1; still < 20; still = figure() === before ? still + 1 : 0) {
    before = figure()
    await delay(5)
  }
}

function openUpload(url: string, headers: Record<string, string> = {}) {
  const type = { 'content-type': 'text/csv', 'transfer-encoding': 'chunked' }
  const sent = request(url, { method: 'POST', agent: false, headers: { ...type, ...headers } }).on('error', () => {})
  sent.flushHeaders()
  return sent
}

describe('an upload through the gateway', () => {
  test('is sent no faster than the service takes it, and held nowhere in between', async () => {
    let taking: IncomingMessage | undefined
    let taken = 0
    await using opened = await open((request, reply) => {
      taking = request.on('data', chunk => {
        taken += chunk.length
      })
      request.pause().on('end', () => reply.end(String(taken)))
    })
    const before = process.memoryUsage().rss
    const sent = openUpload(opened.url)
    let written = 0
    const write = () => {
      for (let goes = true; goes && written < FILE_BYTES; written += piece.length) goes = sent.write(piece)
      if (written >= FILE_BYTES) sent.end()
    }
    sent.on('drain', write)
    write()
    while (!taking) await delay(1)
    await standsStill(() => written)
    assert.ok(written < HELD_BYTES_MAX, `${written} bytes were sent to who takes nothing`)
    taking.resume()
    const [reply] = (await once(sent, 'response')) as [IncomingMessage]
    assert.equal(await json(reply), FILE_BYTES)
    assert.ok(process.memoryUsage().rss - before < FILE_BYTES)
  })

  test('may take longer than any answer, if only it keeps coming', async () => {
    const timeoutMs = 200
    let taken = 0
    await using opened = await open((request, reply) => {
      request.on('data', chunk => {
        taken += chunk.length
      })
      request.on('end', () => reply.end(String(taken)))
    }, timeoutMs)
    const sent = openUpload(opened.url)
    const reply = once(sent, 'response') as Promise<[IncomingMessage]>
    for (const since = performance.now(); performance.now() - since < 5 * timeoutMs; await delay(10)) sent.write('x'.repeat(1000))
    sent.end()
    const [{ statusCode }] = await reply
    assert.equal(statusCode, 200)
  })

  test('may take longer than any answer also where the service is the slow one', async () => {
    const timeoutMs = 200
    await using opened = await open(async (request, reply) => {
      let taken = 0
      for await (const chunk of request) {
        taken += chunk.length
        await delay(1)
      }
      reply.end(String(taken))
    }, timeoutMs)
    const sent = openUpload(opened.url)
    const reply = once(sent, 'response') as Promise<[IncomingMessage]>
    const since = performance.now()
    for (let n = 0; n < 160; n++) if (!sent.write(piece)) await once(sent, 'drain')
    sent.end()
    const [answered] = await reply
    assert.equal(await json(answered), 160 * piece.length)
    assert.ok(performance.now() - since > 2 * timeoutMs, 'it was too quick to tell')
  })

  test('is answered 503 when the service takes none of it, or does not answer after it', async () => {
    for (const listener of [() => {}, (incoming: IncomingMessage) => void incoming.resume()]) {
      await using opened = await open(listener, 200)
      const sent = openUpload(opened.url)
      const reply = once(sent, 'response') as Promise<[IncomingMessage]>
      for (let n = 0; n < 100; n++) sent.write(piece)
      sent.end()
      const [answered] = await reply
      assert.deepEqual([answered.statusCode, answered.headers['retry-after']], [503, '1'])
      assert.equal(((await json(answered)) as { code: string }).code, 'unavailable')
      sent.destroy()
    }
  })

  test('that breaks off breaks off for the service, and is not taken for whole', async () => {
    const { promise: broken, resolve: breakOff } = Promise.withResolvers<boolean>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    await using opened = await open(request => {
      request.once('data', () => begin())
      request.on('error', () => {}).on('close', () => breakOff(!request.complete))
    })
    const sent = openUpload(opened.url)
    sent.write('abc')
    await begun
    sent.destroy()
    assert.ok(await broken)
  })

  test('hears a refusal in the middle, however much is still to come', async () => {
    await using opened = await open((request, reply) => {
      request.once('data', () => reply.writeHead(413).end('{"code":"payload-too-large"}'))
    })
    const sent = openUpload(opened.url)
    let goes = true
    let answered: IncomingMessage | undefined
    sent.on('drain', () => {
      goes = true
    })
    sent.on('response', reply => {
      answered = reply
    })
    while (!answered) {
      assert.ok(sent.writable, 'the connection ended before the answer')
      if (goes) goes = sent.write(piece)
      await new Promise(setImmediate)
    }
    assert.equal(answered.statusCode, 413)
    assert.deepEqual(await json(answered), { code: 'payload-too-large' })
    sent.destroy()
  })
})

describe('a download through the gateway', () => {
  /** A service that sends a file as fast as it may, and how much it has sent. */
  async function sending() {
    const seen = { sent: 0, closed: false }
    const opened = await open((_request, reply) => {
      reply.writeHead(200, { 'content-type': 'text/csv' }).on('close', () => {
        seen.closed = true
      })
      const write = () => {
        for (let goes = true; goes && seen.sent < FILE_BYTES; seen.sent += piece.length) goes = reply.write(piece)
        if (seen.sent >= FILE_BYTES) reply.end()
      }
      reply.on('drain', write)
      write()
    })
    return { seen, ...opened }
  }

  test('is made no faster than the client reads it, and held nowhere in between', async () => {
    await using opened = await sending()
    const { seen, url } = opened
    const before = process.memoryUsage().rss
    const asked = httpGet(url, { agent: false })
    const [reply] = (await once(asked, 'response')) as [IncomingMessage]
    await standsStill(() => seen.sent)
    assert.ok(seen.sent < HELD_BYTES_MAX, `${seen.sent} bytes were made for who reads nothing`)
    let bytes = 0
    for await (const chunk of reply) bytes += chunk.length
    assert.equal(bytes, FILE_BYTES)
    assert.ok(process.memoryUsage().rss - before < FILE_BYTES)
  })

  test('ends for the service when the client leaves', async () => {
    await using opened = await sending()
    const { seen, url } = opened
    const asked = httpGet(url, { agent: false }).on('error', () => {})
    const [reply] = (await once(asked, 'response')) as [IncomingMessage]
    reply.on('error', () => {})
    asked.destroy()
    while (!seen.closed) await delay(1)
    assert.ok(seen.sent < FILE_BYTES)
  })
})

test('a body that does not come in time is answered 408 at the gateway: as a whole where it is JSON, else when it falls silent', async () => {
  for (const [type, alive] of [
    ['application/json', false],
    ['text/csv', true]
  ] as const) {
    await using opened = await open(incoming => void incoming.resume())
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    try {
      const sent = openUpload(opened.url, { 'content-type': type })
      const reply = once(sent, 'response') as Promise<[IncomingMessage]>
      let cut = false
      sent.once('response', () => {
        cut = true
      })
      await new Promise<void>(resolve => sent.write('x', () => resolve()))
      for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
      for (let n = 0; n < 3 && alive; n++) {
        mock.timers.tick(20_000)
        await new Promise<void>(resolve => sent.write('x', () => resolve()))
        for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
      }
      assert.ok(!cut, 'it was cut off while it came')
      mock.timers.tick(60_000)
      const [answered] = await reply
      assert.equal(answered.statusCode, 408)
      assert.equal(((await json(answered)) as { code: string }).code, 'request-timeout')
      sent.destroy()
    } finally {
      mock.timers.reset()
    }
  }
})
