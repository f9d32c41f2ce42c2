/** Clients that send or take next to nothing: others are answered all the while, and what is slow for too long is ended. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { until } from '#broker/conformance-kit.ts'
import { followRequests } from './http-follow.ts'
import { frameworkOptions, type HttpServer, listen } from './http-server.ts'

const IN_FLIGHT_MAX = 20
/** More than kernels hold for a connection. */
const LARGE = Buffer.alloc(32 * 1024 * 1024, 'x')

let app: FastifyInstance
let server: HttpServer
let undisturbed: number
const sockets = new Set<Socket>()

before(async () => {
  app = Fastify(frameworkOptions('http://localhost', {}))
  const log = pino({ level: 'silent' })
  followRequests(app, { service: 'slow', log, inFlightMax: IN_FLIGHT_MAX, sheds: () => true, forwards: false, headers: {} })
  app.get('/here', async () => 'here')
  app.get('/large', async () => LARGE)
  app.post('/body', async () => 'taken')
  server = await listen(app, { host: '127.0.0.1', port: 0, shutdownTimeoutMs: 1000 })
  undisturbed = await slowestOf(20)
})
after(async () => {
  for (const socket of sockets) socket.destroy()
  await server[Symbol.asyncDispose]()
})

/** Connections that each begin with this text, and what became of each. */
async function open(count: number, text: string): Promise<{ socket: Socket; got: () => string; closed: () => boolean }[]> {
  const { port } = new URL(server.url)
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(Number(port), '127.0.0.1')
      sockets.add(socket)
      let got = ''
      let closed = false
      socket.on('error', () => {})
      socket.on('close', () => {
        closed = true
      })
      await new Promise(resolve => socket.once('connect', resolve))
      socket.write(text)
      return {
        socket,
        got: () => {
          got += (socket.read() as Buffer | null)?.toString() ?? ''
          return got
        },
        closed: () => closed
      }
    })
  )
}

/** Healthy requests one after the other; the slowest, in milliseconds. */
async function slowestOf(count: number): Promise<number> {
  let slowest = 0
  for (let n = 0; n < count; n++) {
    const started = performance.now()
    const reply = await fetch(`${server.url}/here`, { signal: AbortSignal.timeout(30_000) })
    assert.equal(await reply.text(), 'here')
    slowest = Math.max(slowest, performance.now() - started)
  }
  return slowest
}

/** As soon as when nobody is slow, but for what a busy machine makes of it. */
async function areAnswered(): Promise<void> {
  const slowest = await slowestOf(20)
  assert.ok(slowest < 1000 + 10 * undisturbed, `${slowest} ms, and ${undisturbed} ms while nobody was slow`)
}

describe('while others are slow, requests are answered', { timeout: 240_000 }, () => {
  test('with 200 clients that send their headers byte by byte, who are ended with 408', async () => {
    const slow = await open(200, 'GET /here HTTP/1.1\r\nHost: x\r\nX-Slow: ')
    const trickle = setInterval(() => {
      for (const { socket } of slow) if (!socket.destroyed) socket.write('a')
    }, 500)
    try {
      await areAnswered()
      await until('all have been ended', () => slow.filter(({ got, closed }) => got() !== '' || closed()).length === 200, 120_000)
      assert.ok(slow.some(({ got }) => /^HTTP\/1.1 408 /.test(got())))
    } finally {
      clearInterval(trickle)
    }
  })

  test('with as many clients as may be in flight that take nothing of a large answer, who are ended', async () => {
    assert.equal(app.server.timeout, 60_000)
    app.server.timeout = 10_000
    try {
      const slow = await open(IN_FLIGHT_MAX, 'GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
      const status = async () => (await fetch(`${server.url}/here`, { signal: AbortSignal.timeout(30_000) })).status
      await until('they have taken every place', async () => (await status()) === 503, 60_000)
      await until('their places are free again', async () => (await status()) === 200, 60_000)
      await areAnswered()
      for (const { socket } of slow) socket.resume()
      await until('they are ended', () => slow.every(({ closed }) => closed()), 60_000)
    } finally {
      app.server.timeout = 60_000
    }
  })

  test('with clients that announce a body and send none', async () => {
    const head = 'POST /body HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n'
    const slow = await open(IN_FLIGHT_MAX - 1, head)
    await areAnswered()
    for (const { socket } of slow) socket.destroy()
  })
})
