/** The whole ecosystem over TLS: one process behind one certificate, and services apart that let in nobody without a certificate of theirs. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { HttpClient } from '#platform/http/http-client.ts'
import { trust } from '#platform/tls/tls-outgoing.ts'
import { type Certificates, type Issued, issue, makeCertificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { eventually, openWorld, type World } from '../support/world.ts'

let world: World
let folder: string
let certificates: Certificates
let identity: Issued
before(async () => {
  world = await openWorld()
  folder = await mkdtemp(join(tmpdir(), 'over-tls-'))
  certificates = await makeCertificates(folder)
  identity = await issue(folder, 'shop', 'both')
  trust(certificates.ca)
})
after(async () => {
  await world?.[Symbol.asyncDispose]()
  trust()
  await rm(folder, { recursive: true, force: true })
})

const tls = () => ({ TLS_CERT_FILE: identity.files.cert, TLS_KEY_FILE: identity.files.key, TLS_CA_FILE: certificates.files.ca })

/** A product is created, ordered, and its stock held: through the gateway, the services, the broker and back. */
async function isAlive(client: HttpClient): Promise<void> {
  const sku = `TLS-${Math.random().toString(36).slice(2)}`
  const created = await client.call<{ productId: string; variants: { variantId: string }[] }>('POST', '/v1/products', {
    body: { title: 'Sealed letter', status: 'active', variants: [{ sku, inventory: { onHand: 3 } }] }
  })
  assert.equal(created.status, 201, JSON.stringify(created.body))
  const { productId, variants } = created.body
  const items = [{ productId, variantId: variants[0]!.variantId, quantity: 1 }]
  const order = await client.call<{ orderId: string }>('POST', '/v1/orders', { body: { userId: 'u-1', items } })
  const settled = await eventually(
    async () => (await client.call<{ status: string }>('GET', `/v1/orders/${order.body.orderId}`)).body.status,
    status => status !== 'pending',
    60_000
  )
  assert.equal(settled, 'confirmed')
}

test('one process with a certificate is reached by HTTPS only, and its services by nobody else', async () => {
  const { url, urls } = await world.start([], tls())
  assert.match(url, /^https:/)
  for (const own of Object.values(urls)) assert.match(own, /^http:\/\/127\.0\.0\.1:/)
  await isAlive(world.client(url))
  await assert.rejects(fetch(url.replace('https:', 'http:'), { signal: AbortSignal.timeout(60_000) }))
})

test('services apart let in the gateway, which shows its certificate and believes theirs, and nobody without one', async () => {
  const port = await freePort()
  const issuer = { PUBLIC_URL: `https://localhost:${port}` }
  const closed = { TLS_CLIENT_AUTH: 'require', TLS_CLIENT_CA_FILE: certificates.files.ca }
  const services = await world.start(['product', 'order', 'user', 'search'], { ...tls(), ...closed, ...issuer })
  const addresses = Object.fromEntries(
    Object.entries(services.urls).map(([name, url]) => [`${name.toUpperCase()}_SERVICE_URL`, url])
  )
  for (const url of Object.values(services.urls)) {
    assert.match(url, /^https:/)
    await assert.rejects(fetch(new URL('/health/live', url), { signal: AbortSignal.timeout(60_000) }), TypeError)
  }
  const gateway = await world.start(['gateway'], { ...tls(), ...issuer, ...addresses, PORT: String(port) })
  await isAlive(world.client(gateway.url))
  const ready = await fetch(`${gateway.url}/health/ready`, { signal: AbortSignal.timeout(60_000) })
  assert.equal(ready.status, 200, await ready.text())

  // One that does not know our authority believes no service, and says so.
  const { TLS_CA_FILE: _, ...withoutAuthority } = tls()
  const doubting = await world.start(['gateway'], { ...withoutAuthority, ...issuer, ...addresses })
  const answer = await fetch(`${doubting.url}/oauth/jwks`, { signal: AbortSignal.timeout(60_000) })
  assert.equal(answer.status, 503, await answer.text())
  const unready = await fetch(`${doubting.url}/health/ready`, { signal: AbortSignal.timeout(60_000) })
  assert.equal(unready.status, 503, await unready.text())
})
