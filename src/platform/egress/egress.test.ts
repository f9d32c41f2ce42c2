/** Posts to strangers, past real sockets: what must not be reached has a canary that counts who connects. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { until } from '#broker/conformance-kit.ts'
import { type Certificates, type Issued, issue, makeCertificates } from '../../../test/support/certificates.ts'
import { introduce, trust } from '../tls/tls-outgoing.ts'
import { type EgressFailed, type EgressOptions, openEgress } from './egress.ts'

const STRICT = { allowHttp: false, allowPrivate: false }
const HTTP = { allowHttp: true, allowPrivate: false }
const OPEN = { allowHttp: true, allowPrivate: true }
const HERE = { address: '127.0.0.1', family: 4 } as const
const PUBLIC = { address: '93.184.215.14', family: 4 } as const
const stack = new AsyncDisposableStack()
let folder: string
let certificates: Certificates
let elsewhere: Issued
let canary: Listener
/** Where IPv6 is, on the same port. */
let canary6: Listener | undefined

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'egress-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  certificates = await makeCertificates(folder)
  elsewhere = await issue(folder, 'elsewhere', 'elsewhere')
  canary = stack.use(await listen(createHttpServer(answering('canary'))))
  canary6 = await listen(createHttpServer(answering('canary')), '::1', canary.port).catch(() => undefined)
  if (canary6) stack.use(canary6)
})
after(() => stack.disposeAsync())

type Listener = AsyncDisposable & { port: number; url: string; sockets: Set<Socket>; connections(): number }

async function listen(server: Server, host = '127.0.0.1', port = 0): Promise<Listener> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  server.listen(port, host)
  await once(server, 'listening')
  const listening = (server.address() as AddressInfo).port
  return {
    port: listening,
    url: `http://receiver.example:${listening}/hook`,
    sockets,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
}

const answering =
  (body: string, status = 200, headers = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)

/** One that answers over HTTP as told, and an egress to which every name is this machine. */
async function receiver(t: TestContext, listener: RequestListener, options: Partial<EgressOptions> = {}) {
  return opened(t, await listen(createHttpServer({ keepAliveTimeout: 60_000 }, listener)), options)
}

/** One that answers what is on the wire. */
async function wire(t: TestContext, talk: (socket: Socket, said: string) => unknown, options: Partial<EgressOptions> = {}) {
  const server = net.createServer(socket => socket.on('data', data => talk(socket, data.toString())))
  return opened(t, await listen(server), options)
}

function opened(t: TestContext, server: Listener, options: Partial<EgressOptions>) {
  const egress = openEgress({ rules: OPEN, resolve: async () => [HERE], ...options })
  t.after(() => egress[Symbol.asyncDispose]().then(() => server[Symbol.asyncDispose]()))
  const post = (more: Partial<Parameters<typeof egress.post>[1]> = {}) => egress.post(server.url, { ...sent(), ...more })
  return { server, egress, post }
}

const sent = () => ({ headers: { 'content-type': 'application/json' }, body: '{"a":1}', timeoutMs: 20_000 })
const failing = (failure: string) => ({ name: 'EgressFailed', failure })
const canaries = () => canary.connections() + (canary6?.connections() ?? 0)

async function refuses(url: string, options: EgressOptions): Promise<void> {
  await using egress = openEgress(options)
  const error: Partial<EgressFailed> = await egress.post(url, sent()).then(
    () => assert.fail(`${url} was answered`),
    failed => failed
  )
  assert.equal(error.failure, 'refused-address', `${url}: ${error}`)
  assert.doesNotMatch(error.message ?? '', /127|::1|canary|\d\.\d/)
}

/** Spellings of this machine and of networks that are not public. */
const HOSTS = [
  ...[
    '127.0.0.1',
    '127.0.0.1.',
    '127.0.1',
    '127.1',
    '127.1.',
    '127.255.255.254',
    '2130706433',
    '0x7f000001',
    '0x7F.0.0.1',
    '0x7f.1'
  ],
  ...['017700000001', '0177.0.0.1', '0177.1', '0x7f.0x0.0x0.0x1', '00000177.0.0.1', '127.0.0.0x1', '127.0x1', '%3127.0.0.1'],
  ...[
    '127%2e0%2e0%2e1',
    '１２７.0.0.1',
    '１２７．０．０．１',
    '127。0。0。1',
    '①②⑦.0.0.1',
    '𝟭𝟮𝟳.0.0.1',
    '0',
    '0x0',
    '0.0.0.0',
    '0.0.0.1'
  ],
  ...['00.0.0', '[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[0000:0000::0001]', '[::0.0.0.1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
  ...[
    '[::FFFF:7F00:0001]',
    '[0:0:0:0:0:ffff:127.0.0.1]',
    '[::127.0.0.1]',
    '[::7f00:1]',
    '[::ffff:0:127.0.0.1]',
    '[::ffff:0.0.0.0]'
  ],
  ...['[64:ff9b::127.0.0.1]', '[64:ff9b:1::7f00:1]', '[2002:7f00:1::]', '[2001::7f00:1]', '[fe80::1]', '[fec0::1]', '[fd00::1]'],
  ...['[ff02::1]', '[2001:db8::1]', '[3fff::1]', '[5f00::1]', '[100::1]', '10.0.0.1', '10.1', '100.64.0.1', '169.254.169.254'],
  ...['2852039166', '0xa9fea9fe', '0251.0376.0251.0376', '[::ffff:a9fe:a9fe]', '[fd00:ec2::254]', '172.16.0.1', '192.168.0.1'],
  ...['192.168.257', '192.0.0.192', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1', '255.255.255.255', '4294967295'],
  ...['localhost', 'LocalHost', 'localhost.', 'x.localhost', 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ', 'loc\u00adalhost', 'printer.local', 'db.internal'],
  ...['metadata.google.internal', 'nas.home.arpa', 'postgres', 'example.com@127.0.0.1', '127.0.0.1\\@example.com'],
  ...[
    '127.0.0.1#@example.com',
    '127.0.0\t.1',
    '127.0.0.1%00.example.com',
    '[::1%25lo]',
    '[fe80::1%lo]',
    '127.0.0.1..',
    'localhost..'
  ]
]

test('no spelling of an address that is not public is connected', async () => {
  const before = canaries()
  assert.ok(HOSTS.length >= 70)
  const urls = HOSTS.flatMap(host => [`https://${host}/`, `https://${host}:${canary.port}/`, `http://${host}:${canary.port}/`])
  for (const url of urls) for (const rules of [STRICT, HTTP]) await refuses(url, { rules })
  assert.equal(canaries(), before)
})

test('a name is refused whole when any of its addresses is not public, and without an answer about them', async () => {
  const before = canaries()
  const found = [
    ...[[HERE], [PUBLIC, HERE], [HERE, PUBLIC]],
    ...['::1', '::ffff:127.0.0.1', 'fe80::1%lo'].map(address => [PUBLIC, { address, family: 6 } as const]),
    [PUBLIC, { address: 'nonsense', family: 4 } as const]
  ]
  for (const addresses of found) {
    const to = `://127.0.0.1.nip.example:${canary.port}/`
    for (const scheme of ['http', 'https']) await refuses(scheme + to, { rules: HTTP, resolve: async () => addresses })
  }
  assert.equal(canaries(), before)
})

test('a name that was public and then leads to this machine is asked once for each connection, and refused', async t => {
  const before = canaries()
  const gone = ways(t, () => Promise.reject(Object.assign(new Error('nobody'), { code: 'ECONNREFUSED' })))
  const answers = [[PUBLIC], [HERE], [HERE]]
  let asked = 0
  const egress = openEgress({ rules: HTTP, resolve: async () => answers[asked++] ?? [] })
  t.after(() => egress[Symbol.asyncDispose]())
  const url = `http://rebinding.example:${canary.port}/`
  await assert.rejects(egress.post(url, sent()), failing('unreachable'))
  assert.deepEqual([asked, gone], [1, [PUBLIC.address]])
  await assert.rejects(egress.post(url, sent()), failing('refused-address'))
  assert.deepEqual([asked, gone, canaries()], [2, [PUBLIC.address], before])
})

test('the address that is connected is the one that was checked, though the name has another by then', async t => {
  const answers = [[HERE], [{ address: '::1', family: 6 } as const]]
  const { post } = await receiver(t, answering('checked'), { resolve: async () => answers.shift() ?? [] })
  assert.equal((await post()).body, 'checked')
  assert.equal(answers.length, 1)
})

test('who is there after all is looked at once more, before anything is said to it', async t => {
  const heard: string[] = []
  const { server } = await wire(t, (_, said) => heard.push(said))
  ways(t, async () => HERE)
  for (const scheme of ['http', 'https']) {
    await refuses(`${scheme}://routed.example:${server.port}/`, { rules: HTTP, resolve: async () => [PUBLIC] })
  }
  await until('both connections are over', () => server.connections() === 2 && server.sockets.size === 0)
  assert.deepEqual(heard, [])
})

/** A network that leads to other places than one asks for. Gives back the addresses that were asked for. */
function ways(t: TestContext, lead: (address: string) => Promise<typeof HERE>): string[] {
  const asked: string[] = []
  const connect = net.Socket.prototype.connect
  t.mock.method(net.Socket.prototype, 'connect', function (this: Socket, ...args: unknown[]) {
    const [options] = args.flat() as [net.TcpNetConnectOpts]
    const lookup: net.LookupFunction = (host, how, done) =>
      options.lookup?.(host, how, (error, found) => {
        if (error) return done(error, '')
        const addresses = typeof found === 'string' ? [found] : found.map(({ address }) => address)
        asked.push(...addresses)
        lead(addresses[0]!).then(
          to => done(null, [to]),
          error => done(error, '')
        )
      })
    return Reflect.apply(connect, this, [{ ...options, lookup }, ...args.flat().slice(1)])
  } as never)
  return asked
}

test('a redirect is an answer: where it leads is not asked', async t => {
  const before = canaries()
  const location = `http://127.0.0.1:${canary.port}/`
  for (const status of [301, 302, 303, 307, 308]) {
    const { post } = await receiver(t, answering('moved', status, { location }))
    const reply = await post()
    assert.deepEqual([reply.status, reply.headers.location, reply.body], [status, location, 'moved'])
  }
  assert.equal(canaries(), before)
})

test('proxies of the environment are not used', async t => {
  const before = canaries()
  const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'NODE_USE_ENV_PROXY']
  t.mock.property(process, 'env', Object.fromEntries(names.map(name => [name, `http://127.0.0.1:${canary.port}`])))
  const { post } = await receiver(t, answering('direct'))
  assert.equal((await post()).body, 'direct')
  assert.equal(canaries(), before)
})

test('what is sent arrives: method, path, headers, body and the host as it was registered', async t => {
  const { server, egress } = await receiver(t, async (request, response) => {
    const body = (await request.setEncoding('utf8').toArray()).join('')
    response.writeHead(202, { 'x-twice': ['a', 'b'] }).end(JSON.stringify([request.method, request.url, request.headers, body]))
  })
  const url = `http://Receiver.example:${server.port}/a/../Hook?q=ü`
  const reply = await egress.post(url, { ...sent(), headers: { 'x-a': 'b' }, body: 'grüezi' })
  assert.deepEqual([reply.status, reply.headers['x-twice'], reply.truncated], [202, ['a', 'b'], false])
  assert.deepEqual(JSON.parse(reply.body), [
    'POST',
    '/Hook?q=%C3%BC',
    { host: `receiver.example:${server.port}`, connection: 'keep-alive', 'x-a': 'b', 'content-length': '7' },
    'grüezi'
  ])
})

test('a body of 10 GB ends early, with the status, and ends the connection', async t => {
  let written = 0
  const { server, post } = await receiver(t, (_, response) => {
    response.writeHead(200, { 'content-length': 10 * 1024 ** 3 })
    const piece = Buffer.alloc(65_536, 'x')
    const write = () => {
      do written += piece.length
      while (!response.destroyed && response.write(piece))
    }
    response.on('drain', write)
    write()
  })
  const reply = await post()
  assert.deepEqual([reply.status, reply.truncated, reply.body.length], [200, true, 65_536])
  await until('the connection is over', () => server.sockets.size === 0)
  assert.ok(written < 64 * 1024 ** 2, `${written} bytes`)
})

test('a body of just 64 KiB is whole, and one byte more is not', async t => {
  const { post } = await receiver(t, (request, response) => void response.end('x'.repeat(Number(request.headers['x-bytes']))))
  for (const bytes of [65_536, 65_537]) {
    const { truncated, body } = await post({ headers: { 'x-bytes': String(bytes) } })
    assert.deepEqual([truncated, body.length], [bytes > 65_536, 65_536])
  }
})

test('a body is not unpacked, and is text whatever its bytes are', async t => {
  const packed = gzipSync(Buffer.alloc(16 * 1024 ** 2))
  const bodies = [packed, Buffer.from([0x61, 0xff, 0x62])]
  const { post } = await receiver(t, (_, response) => void response.setHeader('content-encoding', 'gzip').end(bodies.shift()))
  assert.equal((await post()).body, packed.toString('utf8'))
  assert.equal((await post()).body, 'a\ufffdb')
})

test('a body that drips until the deadline, or breaks off, is an answer with what came of it', async t => {
  const ends: ((socket: Socket) => void)[] = [() => {}, socket => socket.destroySoon(), socket => socket.write('\r\nnonsense')]
  const { server, post } = await wire(t, socket => {
    socket.write('HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n3\r\nwai')
    ends.shift()?.(socket)
  })
  for (const timeoutMs of [300, 20_000, 20_000]) {
    assert.partialDeepStrictEqual(await post({ timeoutMs }), { status: 503, body: 'wai', truncated: true })
    await until('the connection is over', () => server.sockets.size === 0)
  }
})

test('who does not answer in time has failed: in silence, byte by byte, or with headers for another answer', async t => {
  const drips: Record<string, (socket: Socket) => void> = {
    silence: () => {},
    headers: socket => drip(socket, 'a', 'HTTP/1.1 200 OK\r\nx: '),
    hints: socket => drip(socket, 'HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n')
  }
  for (const talk of Object.values(drips)) {
    const { server, post } = await wire(t, talk)
    await assert.rejects(post({ timeoutMs: 300 }), failing('timeout'))
    await until('the connection is over', () => server.sockets.size === 0)
  }
})

function drip(socket: Socket, text: string, before = ''): void {
  socket.write(before)
  const dripping = setInterval(() => socket.write(text), 10)
  socket.once('close', () => clearInterval(dripping))
}

test('the deadline holds for the name server, for the greeting of TLS, and for the wait for a free connection', async t => {
  const { server, egress, post } = await wire(t, () => {}, { connections: 1 })
  await assert.rejects(egress.post(server.url.replace('http', 'https'), { ...sent(), timeoutMs: 300 }), failing('timeout'))
  for (const wait of [post({ timeoutMs: 300 }), post({ timeoutMs: 300 })]) await assert.rejects(wait, failing('timeout'))
  const mute = await receiver(t, answering(''), { resolve: () => new Promise(() => {}) })
  await assert.rejects(mute.post({ timeoutMs: 300 }), failing('timeout'))
})

test('what is no HTTP answer is malformed: other protocols, headers without end, another protocol from now on', async t => {
  const answers = [
    'SSH-2.0-OpenSSH_9.6\r\n',
    'HTTP/1.1 OK\r\n\r\n',
    `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(20_000)}`,
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n'
  ]
  for (const answer of answers) {
    const { server, post } = await wire(t, socket => socket.write(answer))
    await assert.rejects(post(), failing('malformed-answer'), answer)
    await until('the connection is over', () => server.sockets.size === 0)
  }
})

test('who is not there, hangs up, or has no address is said to be so, in words without addresses', async t => {
  const { server, post } = await wire(t, socket => socket.destroy())
  await assert.rejects(post(), { ...failing('unreachable'), message: /^the host could not be reached, or broke off/ })
  const down = await receiver(t, answering(''))
  await down.server[Symbol.asyncDispose]()
  await assert.rejects(down.post(), { ...failing('unreachable'), message: /^[^\d]*$/ })
  for (const resolve of [async () => [], () => Promise.reject(new Error('getaddrinfo ENOTFOUND 10.0.0.53'))]) {
    const egress = openEgress({ rules: OPEN, resolve })
    await assert.rejects(egress.post(server.url, sent()), { ...failing('unresolved'), message: /^[^\d]*$/ })
    await egress[Symbol.asyncDispose]()
  }
})

test('a signal ends a post with its reason', async t => {
  const { server, post } = await wire(t, () => leaving.abort(new Error('going away')))
  const leaving = new AbortController()
  await assert.rejects(post({ signal: leaving.signal }), /going away/)
  await assert.rejects(post({ signal: leaving.signal }), /going away/)
  await until('the connection is over', () => server.sockets.size === 0)
  assert.equal(server.connections(), 1)
})

test('a header that could begin another is no request, and not the fault of the receiver', async t => {
  const { post } = await receiver(t, answering(''))
  await assert.rejects(post({ headers: { x: 'a\r\nhost: b' } }), { code: 'UND_ERR_INVALID_ARG' })
})

test('names are looked up by the system', async t => {
  const { server } = await receiver(t, answering('here'))
  await using egress = openEgress({ rules: OPEN })
  assert.equal((await egress.post(`http://localhost:${server.port}/`, sent())).body, 'here')
})

/** A connection is free for the next post a turn after its answer: whoever would close it all the same has done so. */
const taken = () => setImmediate()

test('a connection is kept for the next post to the same origin, and not for long, whatever the receiver promises', async t => {
  const { server, post } = await receiver(t, answering('', 200, { 'keep-alive': 'timeout=600' }))
  await post()
  await taken()
  await post()
  assert.equal(server.connections(), 1)
  await until('it is closed', () => server.sockets.size === 0, 10_000)
  await post()
  assert.equal(server.connections(), 2)
})

test('a kept connection that the receiver breaks is unreachable, and the next post connects anew', async t => {
  let requests = 0
  const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'
  const { server, post } = await wire(t, socket => (++requests === 2 ? socket.resetAndDestroy() : socket.write(answer)))
  assert.equal((await post()).status, 200)
  await taken()
  await assert.rejects(post(), failing('unreachable'))
  assert.equal(server.connections(), 1)
  assert.equal((await post()).status, 200)
  assert.deepEqual([requests, server.connections()], [3, 2])
})

test('idle connections are kept to 100 origins, and no post fails for it', async t => {
  const { server, egress } = await receiver(t, answering('ok'))
  const urls = Array.from({ length: 150 }, (_, n) => `http://shop-${n}.example:${server.port}/`)
  for (const connections of [150, 200]) {
    const replies = await Promise.all(urls.map(url => egress.post(url, sent())))
    assert.ok(replies.every(({ body }) => body === 'ok'))
    await until('the others are closed', () => server.sockets.size === 100, 3000)
    assert.equal(server.connections(), connections)
  }
})

test('when it is closed, connections end, and posts that are under way are not said to be the receiver’s fault', async t => {
  const arrived = Promise.withResolvers<void>()
  const { server, egress, post } = await wire(t, () => arrived.resolve())
  const waiting = assert.rejects(post(), error => (error as Error).name !== 'EgressFailed')
  await arrived.promise
  await egress[Symbol.asyncDispose]()
  await waiting
  await assert.rejects(post(), /closed/)
  await until('the connection is over', () => server.sockets.size === 0)
})

function believe(t: TestContext): void {
  trust(certificates.ca)
  t.after(() => trust())
}

/** One with TLS, that asks for a certificate of clients and says what it was shown. */
async function secure(t: TestContext, { cert, key }: { cert: string; key: string }, host: string) {
  const shown: { servername: unknown; certificate: boolean }[] = []
  const server = createHttpsServer(
    { cert, key, ca: certificates.ca, requestCert: true, rejectUnauthorized: false },
    (_, response) => {
      const socket = response.socket as TLSSocket & { servername?: unknown }
      shown.push({ servername: socket.servername, certificate: 'subject' in socket.getPeerCertificate() })
      response.end('secure')
    }
  )
  server.on('tlsClientError', () => {})
  const { egress, server: at } = opened(t, await listen(server), {})
  return { shown, post: (name = host) => egress.post(`https://${name}:${at.port}/`, sent()) }
}

test('TLS: whose authority is unknown is not believed, even where the environment says that anybody is', async t => {
  const { cert, key } = await issue(folder, 'good', 'server')
  const { shown, post } = await secure(t, { cert, key }, 'localhost')
  t.mock.method(process, 'emitWarning', () => {})
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED)
  await assert.rejects(post(), { ...failing('tls'), message: /known authority/ })
  assert.deepEqual(shown, [])
})

test('TLS: who is known is asked by its name, and our own certificate is not shown, though it is asked for', async t => {
  believe(t)
  introduce(() => certificates.client)
  const { cert, key } = await issue(folder, 'known', 'server')
  const here = await secure(t, { cert, key }, 'localhost')
  assert.equal((await here.post()).body, 'secure')
  assert.equal((await here.post('127.0.0.1')).body, 'secure')
  const there = await secure(t, elsewhere, 'elsewhere.example')
  assert.equal((await there.post()).body, 'secure')
  assert.deepEqual(
    [...here.shown, ...there.shown],
    [
      { servername: 'localhost', certificate: false },
      { servername: false, certificate: false },
      { servername: 'elsewhere.example', certificate: false }
    ]
  )
})

test('TLS: a certificate for another name, or one that has expired, is not believed', async t => {
  believe(t)
  const other = await secure(t, elsewhere, 'localhost')
  await assert.rejects(other.post(), { ...failing('tls'), message: 'the certificate of the host is for another name' })
  const expired = await secure(t, await issue(folder, 'expired', 'server', true), 'localhost')
  await assert.rejects(expired.post(), { ...failing('tls'), message: 'the certificate of the host has expired' })
  assert.deepEqual([...other.shown, ...expired.shown], [])
})

test('TLS: what greets us in plain text is a failure of TLS', async t => {
  const { server, egress } = await wire(t, socket => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await assert.rejects(egress.post(server.url.replace('http:', 'https:'), sent()), failing('tls'))
})
