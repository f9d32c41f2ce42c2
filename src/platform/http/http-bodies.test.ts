import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeEach, mock, test } from 'node:test'
import { keepBodyComing, limitBody } from './http-bodies.ts'

beforeEach(() => {
  mock.timers.reset()
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
})

/** One request as the server sees it, and as the client does; `late` counts how often it was found late. */
async function open(headers: Record<string, string>) {
  let late = 0
  const arrived = Promise.withResolvers<IncomingMessage>()
  const server = createServer(request => {
    limitBody(request, () => late++)
    arrived.resolve(request)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const sent = request({ port, host: '127.0.0.1', method: 'POST', headers, agent: false }).on('error', () => {})
  sent.flushHeaders()
  const received = await arrived.promise
  return {
    sent,
    received,
    late: () => late,
    async send(bytes: number) {
      const { bytesRead } = received.socket
      sent.write(Buffer.alloc(bytes))
      while (received.socket.bytesRead === bytesRead) await new Promise(setImmediate)
    },
    async [Symbol.asyncDispose]() {
      sent.destroy()
      server.closeAllConnections()
      server.close()
    }
  }
}

const chunked = { 'transfer-encoding': 'chunked' }

test('a body that is not there in half a minute is late, once, however busily it comes', async () => {
  for (const headers of [chunked, { 'content-length': '1000' }]) {
    await using opened = await open(headers as Record<string, string>)
    const { received, send, late } = opened
    received.resume()
    for (let second = 1; second < 30; second++) {
      mock.timers.tick(1000)
      await send(1)
    }
    assert.equal(late(), 0)
    mock.timers.tick(1000)
    assert.equal(late(), 1)
    mock.timers.tick(100_000)
    assert.equal(late(), 1)
  }
})

test('a body that is here is not late, read or unread; nor is a request without one', async () => {
  for (const [headers, reads] of [
    [chunked, true],
    [{ 'content-length': '3' }, true],
    [{ 'content-length': '3' }, false],
    [{ 'content-length': '0' }, true]
  ] as [Record<string, string>, boolean][]) {
    await using opened = await open(headers)
    const { sent, received, late } = opened
    if (reads) received.resume()
    sent.end(headers['content-length'] === '0' ? '' : 'abc')
    while (!received.complete) await new Promise(setImmediate)
    mock.timers.tick(100_000)
    assert.equal(late(), 0)
  }
})

test('a body that keeps coming may take as long as it likes, and is late, once, when it falls silent', async () => {
  await using opened = await open(chunked)
  const { received, send, late } = opened
  keepBodyComing(received)
  received.resume()
  for (let n = 0; n < 10; n++) {
    await send(1)
    mock.timers.tick(30_000)
  }
  assert.equal(late(), 0)
  mock.timers.tick(30_000)
  assert.equal(late(), 1)
  mock.timers.tick(100_000)
  assert.equal(late(), 1)
})

test('a body that nobody reads is not late: its sender cannot help it', async () => {
  await using opened = await open(chunked)
  const { received, send, late } = opened
  keepBodyComing(received)
  await send(10_000_000)
  while (received.readableLength === 0) await new Promise(setImmediate)
  mock.timers.tick(1_000_000)
  assert.equal(late(), 0)
})

test('a client that has gone is not waited for', async () => {
  await using opened = await open(chunked)
  const { sent, received, late } = opened
  received.on('error', () => {}).resume()
  const closed = new Promise(resolve => received.once('close', resolve))
  sent.destroy()
  await closed
  mock.timers.tick(100_000)
  assert.equal(late(), 0)
})
