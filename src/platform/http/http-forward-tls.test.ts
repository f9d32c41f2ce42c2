/** What a gateway forwards to a service that asks for certificates: it believes only who it knows, and shows who it is. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import Fastify from 'fastify'
import { pino } from 'pino'
import { type Certificates, type Issued, issue, makeCertificates } from '../../../test/support/certificates.ts'
import { readConfig } from '../config.ts'
import { openListenerTls } from '../tls/tls.ts'
import { introduce, trust } from '../tls/tls-outgoing.ts'
import { refusing } from './http.ts'
import { answers } from './http-connector.ts'
import { followRequests } from './http-follow.ts'
import { addUpstream, passBodies } from './http-forward.ts'
import { frameworkOptions, listen } from './http-server.ts'

const log = pino({ level: 'silent' })
const at = { host: '127.0.0.1', port: 0, shutdownTimeoutMs: 5000 }
const stack = new AsyncDisposableStack()
let certificates: Certificates
let identity: Issued
/** One asks for a certificate, the other lets anybody in. */
let services: Record<'asking' | 'open', string>
let gateway: string

before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'forward-tls-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  certificates = await makeCertificates(folder)
  identity = await issue(folder, 'shop', 'both')
  services = {
    asking: await startService({ TLS_CLIENT_AUTH: 'require', TLS_CLIENT_CA_FILE: certificates.files.ca }),
    open: await startService({})
  }
  const before = Fastify(frameworkOptions('http://localhost', {}))
  const refuse = refusing('http://localhost', log)
  passBodies(before)
  followRequests(before, { service: 'gateway', log, inFlightMax: 10, sheds: () => true, forwards: true, headers: {} })
  for (const [name, url] of Object.entries(services)) {
    const upstream = { service: name, url: `${url}/v1`, resources: [], beside: [name] }
    addUpstream(before, upstream, { timeoutMs: 10_000, refuse, log, closing: new AbortController().signal })
  }
  gateway = stack.use(await listen(before, at)).url
})
after(async () => {
  await stack.disposeAsync()
  trust()
})

async function startService(asking: Record<string, string>): Promise<string> {
  const { cert, key } = identity.files
  const config = readConfig({ NODE_ENV: 'test', TLS_CERT_FILE: cert, TLS_KEY_FILE: key, ...asking })
  const tls = stack.use(openListenerTls(config, log))
  const behind = Fastify(frameworkOptions('https://localhost', { tls }))
  for (const name of ['asking', 'open']) behind.get(`/${name}`, async () => 'from behind')
  behind.get('/health/ready', async () => 'ok')
  return stack.use(await listen(behind, { ...at, tls })).url
}

async function ask(name: keyof typeof services): Promise<unknown[]> {
  const reply = await fetch(`${gateway}/${name}`, { signal: AbortSignal.timeout(60_000) })
  const isReady = await answers(new URL(`${services[name]}/health/ready`), 30_000)
  return [reply.status, reply.status === 200 ? await reply.text() : '', isReady]
}

test('a service whose authority we do not know is away, even to a library that would believe any certificate', async () => {
  introduce(() => identity)
  for (const name of ['open', 'asking'] as const) assert.deepEqual(await ask(name), [503, '', false], name)
})

test('a service that asks for a certificate is reached with ours, and not with one of somebody else', async () => {
  trust(certificates.ca)
  const folder = await mkdtemp(join(tmpdir(), 'forward-stranger-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const { client } = await makeCertificates(folder)
  introduce(() => client)
  assert.deepEqual(await ask('asking'), [503, '', false])
  introduce(() => identity)
  assert.deepEqual(await ask('asking'), [200, 'from behind', true])
})
