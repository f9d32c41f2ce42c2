/** Webhooks as others have them: a receiver in Node.js and one in Python, and a partner who comes with an API key. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import type { IssuedApiKey } from '#contracts/resources/api-key.ts'
import type { WebhookEndpoint, WebhookEndpointWithSecret } from '#contracts/resources/webhook.ts'
import type { WebhookDelivery } from '#contracts/resources/webhook-delivery.ts'
import { webhookSettings } from '#platform/webhook-settings.ts'
import { type Received, startWebhookReceiver } from '../support/webhook-receiver.ts'
import { eventually, openWorld } from '../support/world.ts'

const world = await openWorld()
after(() => world[Symbol.asyncDispose]())
const { url } = await world.start([], {
  SAMPLE_CATALOG: '1',
  WEBHOOK_ALLOW_HTTP: '1',
  WEBHOOK_ALLOW_PRIVATE: '1',
  WEBHOOK_RETRY_DELAYS_MS: '200,200,200'
})
const admin = world.client(url)
const receiver = await startWebhookReceiver()
after(() => receiver[Symbol.asyncDispose]())

const example = 'examples/webhook-receiver.mjs'
const page = await readFile('docs/how-to/webhooks.md', 'utf8')

test('an endpoint goes from creation to its end as the example shows it: what failed comes again, and is taken once', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [example, url], { timeout: 60_000 })
  assert.deepEqual(stdout.trim().split('\n'), [
    'created 201 whsec_',
    'ping 202 verified WebhookPing',
    'forged, refused 401',
    'low stock, verified true available 5 of 5',
    'tries 503 204',
    'redelivered 202 tries 503 204 204 taken 1',
    'rotated 200 old true new true',
    'signed by the service true',
    'deleted 204'
  ])
})

/** An endpoint at this path of the receiver, with its secret. */
async function createEndpoint(path: string, eventTypes: readonly string[]) {
  const { status, body } = await admin.call<WebhookEndpointWithSecret>('POST', '/v1/webhook-endpoints', {
    body: { url: receiver.url + path, eventTypes }
  })
  assert.equal(status, 201, JSON.stringify(body))
  return { ...body, secret: body.secret! }
}

async function createProduct() {
  const body = { title: 'Lamp', slug: `lamp-${randomUUID()}`, status: 'active', variants: [{ sku: randomUUID() }] }
  return (await admin.call<{ productId: string }>('POST', '/v1/products', { body })).body.productId
}

async function rename(productId: string) {
  const { status } = await admin.call('PATCH', `/v1/products/${productId}`, { body: { title: `Lamp ${randomUUID()}` } })
  assert.equal(status, 200)
}

const receivedAt = (path: string, productId: string) => () =>
  Promise.resolve(receiver.received.filter(each => each.path === path && JSON.parse(each.body).productId === productId))
const some = (found: readonly Received[]) => found.length > 0

/** What was delivered to an endpoint of its own, and its secret. */
async function aDelivery() {
  const path = `/${randomUUID()}`
  const { secret } = await createEndpoint(path, ['ProductUpdated'])
  const productId = await createProduct()
  await rename(productId)
  const [{ headers, body }] = (await eventually(receivedAt(path, productId), some)) as [Received]
  return { secret, headers, body }
}

type Given = Awaited<ReturnType<typeof aDelivery>>

/** Asserts that a receiver verifies what was delivered, and refuses everything else. */
async function assertVerifies(said: (given: Given) => string): Promise<void> {
  const given = await aDelivery()
  assert.equal(said(given), 'valid')
  const with_ = (headers: Record<string, string>) => ({ ...given, headers: { ...given.headers, ...headers } })
  const forged = given.body.replace('"title":"Lamp', '"title":"Lamq')
  assert.notEqual(forged, given.body)
  const signatures = String(given.headers['webhook-signature'])
  const timestamp = Number(given.headers['webhook-timestamp'])
  const ownOnly = signatures.split(' ').filter(each => each.startsWith('v1a,'))
  for (const each of [
    { ...given, body: forged },
    { ...given, secret: `whsec_${Buffer.from('another').toString('base64')}` },
    with_({ 'webhook-id': randomUUID() }),
    with_({ 'webhook-timestamp': String(timestamp + 1) }),
    with_({ 'webhook-signature': ownOnly.join(' ') }),
    with_({ 'webhook-signature': '' })
  ])
    assert.match(said(each), /^refused: not signed/)
  for (const seconds of ['', 'x', String(timestamp - 301), String(timestamp + 400)])
    assert.match(said(with_({ 'webhook-timestamp': seconds })), /^refused: older than five minutes, or of the future/)
  assert.equal(said(with_({ 'webhook-signature': `v1,AAAA ${signatures}` })), 'valid')
}

function saidBy(command: readonly string[], given: Given): string {
  const { status, stdout, stderr } = spawnSync(command[0]!, command.slice(1), { input: JSON.stringify(given), encoding: 'utf8' })
  assert.equal(status === 0, stdout === 'valid\n', stderr)
  return stdout.trim() || stderr
}

test('what is delivered verifies as the page tells receivers to, and nothing else does', async () => {
  const blocks = [...page.matchAll(/```js\n(.*?)```/gs)].map(match => match[1]!)
  const snippet = blocks.find(each => each.includes('function verifyWebhook'))!
  assert.ok((await readFile(example, 'utf8')).includes(snippet), 'the example verifies otherwise than the page')
  const program = `import { createHmac, timingSafeEqual } from 'node:crypto'
    import { readFileSync } from 'node:fs'
    ${snippet}
    const { secret, headers, body } = JSON.parse(readFileSync(0, 'utf8'))
    try {
      verifyWebhook(secret, headers, Buffer.from(body))
      console.log('valid')
    } catch ({ message }) {
      console.error(\`refused: \${message}\`)
      process.exitCode = 1
    }`
  await assertVerifies(given => saidBy([process.execPath, '--input-type=module', '--eval', program], given))
})

const noPython =
  spawnSync('python3', ['--version']).status === 0 ? false : 'there is no python3: on Debian, apt-get install python3'
if (noPython && process.env.CI) throw new Error(noPython)

test('and by the example in Python', { skip: noPython }, () =>
  assertVerifies(given => saidBy(['python3', 'examples/verify-webhook.py'], given))
)

test('the page has the schedule of tries as it is', () => {
  const said = /tried again: at once, after (.*?), each since/.exec(page)![1]!
  const units: Record<string, number> = { s: 1000, min: 60_000, h: 3_600_000 }
  const delaysMs = [...said.matchAll(/(\d+) (s|min|h)\b/g)].map(([, amount, unit]) => Number(amount) * units[unit!]!)
  assert.partialDeepStrictEqual(webhookSettings.WEBHOOK_RETRY_DELAYS_MS, { default: delaysMs.join() })
})

test('a partner gets by webhook what it may read, sees nobody else’s endpoints, and gets nothing once its key is taken back', async () => {
  const { apiKeyId, key } = (
    await admin.call<IssuedApiKey>('POST', '/v1/api-keys', {
      body: { name: 'Partner', scopes: ['webhooks:read', 'webhooks:write'] }
    })
  ).body
  const ask = async <Body = unknown>(method: string, path: string, body?: object) => {
    const headers = { 'x-api-key': key!, ...(body ? { 'content-type': 'application/json' } : {}) }
    const reply = await fetch(url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })
    return { status: reply.status, body: (await reply.json()) as Body }
  }
  const paths = { admin: `/${randomUUID()}`, partner: `/${randomUUID()}` }
  const others = await createEndpoint(paths.admin, ['ProductUpdated'])

  const own = { url: receiver.url + paths.partner, eventTypes: ['ProductUpdated'] }
  const refused = await ask('POST', '/v1/webhook-endpoints', { ...own, eventTypes: ['ProductUpdated', 'InventoryReserved'] })
  assert.equal(refused.status, 403)
  assert.partialDeepStrictEqual(refused.body, { code: 'event-type-not-permitted', eventTypes: ['InventoryReserved'] })
  const created = await ask<WebhookEndpoint>('POST', '/v1/webhook-endpoints', own)
  assert.equal(created.status, 201, JSON.stringify(created.body))
  const { webhookEndpointId: id, createdBy } = created.body
  assert.equal(createdBy, `api-key:${apiKeyId}`)

  const foreign = `/v1/webhook-endpoints/${others.webhookEndpointId}`
  const answers = [
    await ask('GET', foreign),
    await ask('PATCH', foreign, { status: 'disabled' }),
    await ask('POST', `${foreign}/ping`)
  ]
  assert.deepEqual(
    answers.map(({ status }) => status),
    [404, 404, 404]
  )
  const { body: listed } = await ask<{ data: WebhookEndpoint[] }>('GET', '/v1/webhook-endpoints')
  assert.deepEqual(
    listed.data.map(each => each.webhookEndpointId),
    [id]
  )

  const productId = await createProduct()
  await rename(productId)
  await eventually(receivedAt(paths.partner, productId), some)
  const { body: delivered } = await ask<{ data: WebhookDelivery[] }>('GET', '/v1/webhook-deliveries')
  assert.deepEqual(new Set(delivered.data.map(each => each.webhookEndpointId)), new Set([id]))

  assert.equal((await admin.call('DELETE', `/v1/api-keys/${apiKeyId}`)).status, 204)
  const ended = await eventually(
    async () => (await admin.call<WebhookEndpoint>('GET', `/v1/webhook-endpoints/${id}`)).body,
    ({ status }) => status === 'disabled'
  )
  assert.equal(ended.disabledReason, 'owner-ended')
  const later = await createProduct()
  await rename(later)
  await eventually(receivedAt(paths.admin, later), some)
  assert.deepEqual(await receivedAt(paths.partner, later)(), [])
  const { body: waiting } = await admin.call<{ data: WebhookDelivery[] }>(
    'GET',
    `/v1/webhook-deliveries?webhookEndpointId=${id}&status=pending`
  )
  assert.deepEqual(waiting.data, [])
})
