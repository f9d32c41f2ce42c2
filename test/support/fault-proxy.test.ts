import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { until } from '#broker/conformance-kit.ts'
import { type FaultProxy, openFaultProxy } from './fault-proxy.ts'
import { createTestDatabase } from './postgres.ts'

/** Says back what it hears. */
const echo = createServer({ allowHalfOpen: true }, socket => {
  reached.add(socket)
  socket.on('error', () => {}).once('close', () => reached.delete(socket))
  socket.pipe(socket)
})
const reached = new Set<Socket>()
const clients = new Set<Socket>()
let line: FaultProxy

before(async () => {
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  line = await openFaultProxy(`echo://127.0.0.1:${(echo.address() as AddressInfo).port}`)
})
after(async () => {
  await line[Symbol.asyncDispose]()
  for (const socket of [...reached, ...clients]) socket.destroy()
  echo.close()
})

type Client = { heard: Buffer; ended: string | undefined; socket: Socket }

async function dial(): Promise<Client> {
  const socket = connect({ port: Number(new URL(line.url).port), host: '127.0.0.1', allowHalfOpen: true })
  const client: Client = { heard: Buffer.alloc(0), ended: undefined, socket }
  socket.on('data', chunk => {
    client.heard = Buffer.concat([client.heard, chunk])
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    client.ended = error.code
  })
  socket.once('close', () => {
    client.ended ??= 'closed'
  })
  socket.once('end', () => socket.end())
  clients.add(socket)
  await new Promise(resolve => socket.once('connect', resolve).once('close', resolve))
  return client
}

const heard = (client: Client, text: string) => until(`it says ${text}`, () => client.heard.toString() === text)
const gone = (client: Client) => until('the connection is gone', () => client.ended !== undefined)

test('a line that is well carries every byte both ways, however much there is', async () => {
  const client = await dial()
  const sent = Buffer.alloc(5_000_000, 'abcdefg')
  client.socket.end(sent)
  await gone(client)
  assert.ok(client.heard.equals(sent))
})

test('a line that is cut breaks what is open, refuses what is new, and carries again when it is healed', async () => {
  const client = await dial()
  line.cut()
  await gone(client)
  await gone(await dial())
  line.heal()
  const next = await dial()
  next.socket.write('again')
  await heard(next, 'again')
  next.socket.destroy()
})

test('a reset breaks what is open on both sides, and what is new is well', async () => {
  const client = await dial()
  client.socket.write('one')
  await heard(client, 'one')
  line.reset()
  await gone(client)
  assert.equal(client.ended, 'ECONNRESET')
  await until('the server has lost it too', () => reached.size === 0)
  const next = await dial()
  next.socket.write('two')
  await heard(next, 'two')
  next.socket.destroy()
})

test('in silence nothing passes and nobody is told; when it ends, what has lost something breaks, and nothing else', async () => {
  const idle = await dial()
  const client = await dial()
  client.socket.write('before')
  await heard(client, 'before')
  line.weather({ silent: true })
  client.socket.write(' during')
  const late = await dial()
  late.socket.write('hello')
  // Time enough for it to come back: it takes a millisecond.
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.deepEqual([client.heard.toString(), client.ended, late.ended], ['before', undefined, undefined])
  line.heal()
  await gone(client)
  await gone(late)
  idle.socket.write('still here')
  await heard(idle, 'still here')
  idle.socket.destroy()
})

test('latency is added to every piece, and pieces keep their order', async () => {
  const client = await dial()
  line.weather({ latencyMs: 100 })
  const started = performance.now()
  for (const piece of ['a', 'b', 'c']) {
    client.socket.write(piece)
    await new Promise(setImmediate)
  }
  await heard(client, 'abc')
  const took = performance.now() - started
  line.heal()
  assert.ok(took >= 195 && took < 2000, `${took} ms`)
  client.socket.destroy()
})

test('a narrow line takes its time', async () => {
  const client = await dial()
  line.weather({ bytesPerSecond: 100_000 })
  const started = performance.now()
  client.socket.write('x'.repeat(20_000))
  await until('it is here', () => client.heard.length === 20_000)
  line.heal()
  assert.ok(performance.now() - started > 350)
  client.socket.destroy()
})

test('new connections can be led to another server', async () => {
  const other = createServer(socket => socket.on('error', () => {}).end('other'))
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const home = line.url
  await using moved = await openFaultProxy(home)
  moved.lead(`echo://127.0.0.1:${(other.address() as AddressInfo).port}`)
  const socket = connect(Number(new URL(moved.url).port), '127.0.0.1').on('error', () => {})
  assert.equal(String((await once(socket, 'data'))[0]), 'other')
  other.close()
})

test('notifications of PostgreSQL are left out, and everything else passes', async () => {
  await using database = await createTestDatabase()
  await using way = await openFaultProxy(database.url)
  const client = new pg.Client(way.url)
  const notices: (string | undefined)[] = []
  client.on('notification', ({ payload }) => notices.push(payload))
  await client.connect()
  await client.query('listen news')
  await client.query(`notify news, 'one'`)
  await until('one is heard', () => notices.length === 1)
  way.weather({ notificationsLost: true })
  await client.query(`notify news, 'two'`)
  const { rows } = await client.query(`select repeat('x', 1000000) as long`)
  assert.equal(rows[0].long.length, 1_000_000)
  way.heal()
  await client.query(`notify news, 'three'`)
  await until('three is heard', () => notices.includes('three'))
  assert.deepEqual(notices, ['one', 'three'])
  await client.end()
})
