/** TLS where we listen, spoken by Node's own client: who is let in, and what becomes of connections when a certificate is exchanged. */
import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import Fastify from 'fastify'
import { pino } from 'pino'
import { until } from '#broker/conformance-kit.ts'
import { type Certificates, type Issued, issue, makeCertificates } from '../../../test/support/certificates.ts'
import { readConfig } from '../config.ts'
import { faultsOfTls, openListenerTls } from '../tls/tls.ts'
import { frameworkOptions, listen } from './http-server.ts'

let folder: string
let certificates: Certificates
let second: Issued
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-'))
  certificates = await makeCertificates(folder)
  second = await issue(folder, 'second', 'server')
})
after(() => rm(folder, { recursive: true, force: true }))

type Line = { level: number; unit: string; msg: string; faults?: string[] }

/** A listener with a certificate of its own files, and what it logs. */
async function listening(settings: Record<string, string> = {}) {
  await using stack = new AsyncDisposableStack()
  const own = await mkdtemp(join(folder, 'listener-'))
  const files = { cert: join(own, 'tls.crt'), key: join(own, 'tls.key') }
  await copyFile(certificates.files.cert, files.cert)
  await copyFile(certificates.files.key, files.key)
  const config = readConfig({
    NODE_ENV: 'test',
    TLS_CERT_FILE: files.cert,
    TLS_KEY_FILE: files.key,
    TLS_RELOAD_INTERVAL_MS: '20',
    ...settings
  })
  const lines: Line[] = []
  const log = pino({ base: null }, { write: line => lines.push(JSON.parse(line)) })
  const tls = stack.use(openListenerTls(config, log)!)
  const app = Fastify(frameworkOptions('https://localhost', { tls }))
  app.get('/here', async () => 'here')
  // Answered when the test says so.
  const finish = Promise.withResolvers<string>()
  app.get('/slow', () => finish.promise)
  const server = stack.use(await listen(app, { host: '127.0.0.1', port: 0, shutdownTimeoutMs: 5000, tls }))
  const held = stack.move()
  const { port } = new URL(server.url)
  /** A file is exchanged as certificate managers do it: at once. */
  const exchange = async (certificate: { cert: string; key: string }) => {
    await writeFile(`${files.key}.new`, certificate.key)
    await rename(`${files.key}.new`, files.key)
    await writeFile(`${files.cert}.new`, certificate.cert)
    await rename(`${files.cert}.new`, files.cert)
  }
  return {
    url: server.url,
    port: Number(port),
    lines,
    exchange,
    finish: finish.resolve,
    [Symbol.asyncDispose]: () => held.disposeAsync()
  }
}

/** The connection after a handshake, and a request on it: what fails the one or the other rejects. */
async function handshake(port: number, options: ConnectionOptions = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<{ socket: TLSSocket; status: string; name: string }>()
  const socket = connect({ host: '127.0.0.1', port, ca: certificates.ca, timeout: 10_000, ...options }, () => {
    socket.write('GET /here HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  })
  socket.on('data', data => {
    const name = String(socket.getPeerCertificate().subject?.CN)
    resolve({ socket, status: data.toString().split('\r\n', 1)[0]!, name })
    socket.end()
  })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('closed without an answer')))
  socket.on('timeout', () => socket.destroy(new Error('no answer in time')))
  return promise
}

function ask(port: number, agent: Agent, path: string): Promise<{ status: number | undefined; body: string; reused: boolean }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, agent, path, timeout: 10_000 }, reply => {
      text(reply).then(body => resolve({ status: reply.statusCode, body, reused: asked.reusedSocket }), reject)
    })
    asked.on('error', reject).end()
  })
}

describe('a listener with a certificate', () => {
  test('speaks TLS 1.2 and 1.3 with forward secrecy, and nothing older, weaker or plain', async () => {
    await using listener = await listening()
    assert.match(listener.url, /^https:/)
    assert.equal((await handshake(listener.port)).status, 'HTTP/1.1 200 OK')
    assert.equal((await handshake(listener.port, { maxVersion: 'TLSv1.2' })).status, 'HTTP/1.1 200 OK')
    const weak: ConnectionOptions[] = [
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:AES256-GCM-SHA384:@SECLEVEL=0' },
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0' }
    ]
    for (const options of weak) await assert.rejects(handshake(listener.port, options), /alert|closed|version|reset|disconnected/i)
    const plain = connectPlain(listener.port, '127.0.0.1').setTimeout(10_000)
    plain.write('GET /here HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.doesNotMatch(await text(plain).catch(() => ''), /HTTP\/1.1 200|status/)
  })

  test('is believed only by who trusts its authority', async () => {
    await using listener = await listening()
    await assert.rejects(handshake(listener.port, { ca: [] }), /self-signed|unable to verify/)
    await assert.rejects(handshake(listener.port, { host: '127.0.0.1', servername: 'shop.example' }), /does not match/)
  })

  test('ends connections that are silent, or in the middle of a handshake, when it is closed', async () => {
    const listener = await listening()
    const silent = connectPlain(listener.port, '127.0.0.1')
    const halfway = connectPlain(listener.port, '127.0.0.1')
    const mute = connect({ host: '127.0.0.1', port: listener.port, ca: certificates.ca }).on('error', () => {})
    await new Promise(resolve => mute.once('secureConnect', resolve))
    const idle = new Agent({ keepAlive: true, ca: certificates.ca })
    silent.on('error', () => {})
    halfway.on('error', () => {})
    halfway.write(Buffer.from('16030100a5010000a10303', 'hex'))
    assert.equal((await ask(listener.port, idle, '/here')).status, 200)
    const started = performance.now()
    await listener[Symbol.asyncDispose]()
    // Their time to go would be that for work in flight.
    assert.ok(performance.now() - started < 4000)
    for (const socket of [silent, halfway, mute]) socket.destroy()
    idle.destroy()
  })
})

describe('a client certificate', () => {
  const askingFor = (auth: string) => ({ TLS_CLIENT_AUTH: auth, TLS_CLIENT_CA_FILE: certificates.files.ca })

  test('is needed where it is required: of our authority, of today, for clients', async () => {
    const strangers = await mkdtemp(join(folder, 'strangers-'))
    const { client: stranger } = await makeCertificates(strangers)
    const expired = await issue(folder, 'expired', 'client', true)
    await using listener = await listening(askingFor('require'))
    assert.equal((await handshake(listener.port, certificates.client)).status, 'HTTP/1.1 200 OK')
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const shown of [{}, stranger, { cert: expired.cert, key: expired.key }, { cert: second.cert, key: second.key }]) {
        await assert.rejects(handshake(listener.port, { ...shown, maxVersion }), /alert|closed|reset|disconnected|ECONN|EPIPE/i)
      }
    }
  })

  test('may be left out where it is only requested, but a wrong one is refused', async () => {
    const strangers = await mkdtemp(join(folder, 'strangers-'))
    const { client: stranger } = await makeCertificates(strangers)
    await using listener = await listening(askingFor('request'))
    assert.equal((await handshake(listener.port)).status, 'HTTP/1.1 200 OK')
    assert.equal((await handshake(listener.port, certificates.client)).status, 'HTTP/1.1 200 OK')
    await assert.rejects(handshake(listener.port, stranger), /closed|reset|disconnected|ECONN|EPIPE/i)
  })
})

describe('a new certificate', () => {
  test('is shown in new handshakes, while connections and a request that was under way go on', async () => {
    await using listener = await listening()
    using stack = new DisposableStack()
    const kept = stack.adopt(new Agent({ keepAlive: true, maxSockets: 1, ca: certificates.ca }), agent => agent.destroy())
    assert.equal((await ask(listener.port, kept, '/here')).reused, false)
    const long = stack.adopt(new Agent({ ca: certificates.ca }), agent => agent.destroy())
    const answered = ask(listener.port, long, '/slow')
    assert.equal((await handshake(listener.port)).name, 'server')

    await listener.exchange(second)
    await until('the second is shown', async () => (await handshake(listener.port)).name === 'second')
    listener.finish('at last')
    assert.deepEqual(await answered, { status: 200, body: 'at last', reused: false })
    const again = await ask(listener.port, kept, '/here')
    assert.deepEqual([again.status, again.reused], [200, true])
  })

  const broken: Record<string, () => Promise<{ cert: string; key: string }>> = {
    'that is cut short': async () => ({ cert: second.cert.slice(0, 200), key: second.key }),
    'whose key is another': async () => ({ cert: second.cert, key: certificates.client.key }),
    'that has expired': () => issue(folder, 'late', 'server', true),
    'that is no file of PEM': async () => ({ cert: '{}', key: '' })
  }
  for (const [fault, make] of Object.entries(broken)) {
    test(`${fault} is not taken, which is logged once, and a sound one after it is`, async () => {
      await using listener = await listening()
      await listener.exchange(await make())
      const refusals = () => listener.lines.filter(({ msg }) => msg.startsWith('a new certificate is not taken'))
      await until('it is refused', () => refusals().length > 0)
      assert.equal((await handshake(listener.port)).name, 'server')
      await listener.exchange(second)
      await until('the second is shown', async () => (await handshake(listener.port)).name === 'second')
      // One for what was there, and at most one for each moment between two files.
      assert.ok(refusals().length <= 4, JSON.stringify(listener.lines))
    })
  }
})

test('settings of TLS that do not go together are told, each by its name', () => {
  const { cert, key } = second
  const { ca } = certificates
  const told = (settings: Parameters<typeof faultsOfTls>[0]) => faultsOfTls(settings).map(fault => fault.split(':')[0])
  assert.deepEqual(told({}), [])
  assert.deepEqual(told({ TLS_CERT: cert, TLS_KEY: key }), [])
  assert.deepEqual(told({ TLS_CERT: cert }), ['TLS_KEY'])
  assert.deepEqual(told({ TLS_KEY: key }), ['TLS_CERT'])
  assert.deepEqual(told({ TLS_CERT: cert, TLS_KEY: certificates.client.key }), ['TLS_KEY'])
  assert.deepEqual(told({ TLS_CERT: 'x', TLS_KEY: key }), ['TLS_CERT'])
  assert.deepEqual(told({ TLS_CERT: cert, TLS_KEY: key, TLS_CLIENT_CA: ca }), ['TLS_CLIENT_AUTH'])
  assert.deepEqual(told({ TLS_CERT: cert, TLS_KEY: key, TLS_CLIENT_AUTH: 'require' }), ['TLS_CLIENT_CA'])
  assert.deepEqual(told({ TLS_CERT: cert, TLS_KEY: key, TLS_CLIENT_AUTH: 'require', TLS_CLIENT_CA: 'x' }), ['TLS_CLIENT_CA'])
  assert.deepEqual(told({ TLS_CLIENT_CA: ca, TLS_CLIENT_AUTH: 'request' }), ['TLS_CLIENT_CA'])
})
