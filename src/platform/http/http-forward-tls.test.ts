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
let service: string
let gateway: string

before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'forward-tls-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  certificates = await makeCertificates(folder)
  identity = await issue(folder, 'shop', 'both')
  const { files } = identity
  const asking = { TLS_CLIENT_AUTH: 'require', TLS_CLIENT_CA_FILE: certificates.files.ca }
  const config = readConfig({ NODE_ENV: 'test', TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key, ...asking })
  const tls = stack.use(openListenerTls(config, log))
  const behind = Fastify(frameworkOptions('https://localhost', { tls }))
  behind.get('/here', async () => 'from behind')
  behind.get('/health/ready', async () => 'ok')
  service = stack.use(await listen(behind, { ...at, tls })).url

  const before = Fastify(frameworkOptions('http://localhost', {}))
  const refuse = refusing('http://localhost', log)
  passBodies(before)
  followRequests(before, { service: 'gateway', log, inFlightMax: 10, sheds: () => true, forwards: true, headers: {} })
  const upstream = { service: 'behind', url: `${service}/v1`, resources: [], beside: ['here'] }
  addUpstream(before, upstream, { timeoutMs: 10_000, refuse, log, closing: new AbortController().signal })
  gateway = stack.use(await listen(before, at)).url
})
after(async () => {
  await stack.disposeAsync()
  trust()
})

const ask = async () => {
  const reply = await fetch(`${gateway}/here`, { signal: AbortSignal.timeout(60_000) })
  return [reply.status, reply.status === 200 ? await reply.text() : '', await answers(new URL(`${service}/health/ready`), 30_000)]
}

test('a service whose authority we do not know is away, even to a library that would believe any certificate', async () => {
  introduce(() => identity)
  assert.deepEqual(await ask(), [503, '', false])
})

test('a service that asks for a certificate is reached with ours, and not with one of somebody else', async () => {
  trust(certificates.ca)
  const folder = await mkdtemp(join(tmpdir(), 'forward-stranger-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const { client } = await makeCertificates(folder)
  introduce(() => client)
  assert.deepEqual(await ask(), [503, '', false])
  introduce(() => identity)
  assert.deepEqual(await ask(), [200, 'from behind', true])
})
