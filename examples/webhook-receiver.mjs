// Webhooks from both ends, with a receiver that verifies what comes: node examples/webhook-receiver.mjs [http://localhost:8080],
// while `WEBHOOK_ALLOW_HTTP=1 WEBHOOK_ALLOW_PRIVATE=1 npm start` runs.
import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'

const base = process.argv[2] ?? 'http://localhost:8080'

/** `secret` is whsec_…, `headers` have names in lower case, `body` is a Buffer of the bytes as they came. Gives the event, or throws. */
function verifyWebhook(secret, headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = '' } = headers
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300)) throw new Error('older than five minutes, or of the future')
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  const expected = Buffer.from(`v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`)
  const isExpected = each => each.length === expected.length && timingSafeEqual(each, expected)
  // There are several: one of each secret while they are exchanged, and those of other kinds.
  if (!signatures.split(' ').some(each => isExpected(Buffer.from(each)))) throw new Error('not signed with this secret')
  return JSON.parse(body)
}

// The receiver. What it has dealt with is to be kept where your data is, in the same transaction.
let secret
const received = []
const known = new Set()
const events = []
const server = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray())
  response.statusCode = takes(request.headers, body)
  response.end()
})

function takes(headers, body) {
  const id = headers['webhook-id']
  try {
    const event = verifyWebhook(secret, headers, body)
    received.push({ id, headers, body })
    // To show what happens then: it is out of order when the event comes first.
    const tries = received.filter(each => each.id === id).length
    if (event.eventType === 'InventoryLowStock' && tries === 1) return 503
    if (!known.has(id)) events.push(event)
    known.add(id)
    return 204
  } catch {
    return 401
  }
}

await once(server.listen(0, '127.0.0.1'), 'listening')
const url = `http://127.0.0.1:${server.address().port}/webhooks`

// You, who want events, come with an access token or an API key. In development this client may do everything.
const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'admin', client_secret: 'admin-secret' })
const { access_token } = await (await fetch(`${base}/oauth/token`, { method: 'POST', body: form })).json()
async function ask(method, path, body) {
  const headers = { authorization: `Bearer ${access_token}`, 'idempotency-key': crypto.randomUUID() }
  const json = body ? { 'content-type': 'application/json' } : {}
  const reply = await fetch(base + path, { method, headers: { ...headers, ...json }, body: body && JSON.stringify(body) })
  return { status: reply.status, body: reply.status === 204 ? undefined : await reply.json() }
}

async function until(look) {
  for (const end = Date.now() + 30_000; Date.now() < end; await new Promise(done => setTimeout(done, 50))) {
    const found = await look()
    if (found) return found
  }
  throw new Error('It did not come within half a minute')
}

// A variant of the sample catalog of which there is enough.
const { data: products } = (await ask('GET', '/v1/products?limit=20')).body
const asked = products.flatMap(({ variants }) => variants.map(each => ask('GET', `/v1/inventory/${each.variantId}`)))
const stocks = (await Promise.all(asked)).map(({ body }) => body)
const stock = stocks.find(each => each.lowStockThreshold !== null && each.available > each.lowStockThreshold)
const { variantId, available, lowStockThreshold } = stock
const book = delta => ask('POST', '/v1/inventory/adjustments', { items: [{ variantId, delta, reason: 'correction' }] })

// What you want, and where. The secret is in this answer only: put it where the receiver finds it.
const wanted = { url, eventTypes: ['InventoryLowStock'], filter: { variantId: [variantId] } }
const created = await ask('POST', '/v1/webhook-endpoints', wanted)
const endpoint = `/v1/webhook-endpoints/${created.body.webhookEndpointId}`
secret = created.body.secret
console.log('created', created.status, secret.slice(0, 6))

async function ping() {
  const { status, body } = await ask('POST', `${endpoint}/ping`)
  return { status, ...(await until(() => received.find(({ id }) => id === body.messageId))) }
}
const pinged = await ping()
console.log('ping', pinged.status, 'verified', JSON.parse(pinged.body).eventType)
console.log('forged, refused', takes(pinged.headers, Buffer.concat([pinged.body, Buffer.from(' ')])))

await book(lowStockThreshold - available)
const event = await until(() => events.find(({ eventType }) => eventType === 'InventoryLowStock'))
console.log('low stock, verified', event.variantId === variantId, 'available', event.availableQuantity, 'of', event.threshold)
await book(available - lowStockThreshold)

// How it went: every try is in the log of the delivery.
const listed = await ask('GET', `/v1/webhook-deliveries?webhookEndpointId=${created.body.webhookEndpointId}`)
const { webhookDeliveryId } = listed.body.data.find(({ messageId }) => messageId === event.eventId)
const logOf = tries =>
  until(async () => {
    const { log } = (await ask('GET', `/v1/webhook-deliveries/${webhookDeliveryId}`)).body
    return log.length === tries && log.map(each => each.responseStatus).toReversed()
  })
console.log('tries', ...(await logOf(2)))

// Whatever comes twice has the same webhook-id.
const again = await ask('POST', `/v1/webhook-deliveries/${webhookDeliveryId}/redeliver`)
console.log('redelivered', again.status, 'tries', ...(await logOf(3)), 'taken', events.filter(each => each.eventId === event.eventId).length)

// Once a year, or when it may have been seen: a second secret. A second later both sign, until the receiver has changed over.
const rotated = await ask('POST', `${endpoint}/rotate-secret`, {})
const verifies = (each, { headers, body }) => {
  try {
    return Boolean(verifyWebhook(each, headers, body))
  } catch {
    return false
  }
}
const both = await until(async () => [await ping()].find(each => verifies(rotated.body.secret, each)))
console.log('rotated', rotated.status, 'old', verifies(secret, both), 'new', verifies(rotated.body.secret, both))

// Beside these there is a signature with the key of the service: whoever knows your secret cannot forge that.
const { keys } = (await ask('GET', '/.well-known/jwks.json')).body
const [, own] = /(?:^| )v1a,(\S+)/.exec(both.headers['webhook-signature'])
const signed = Buffer.concat([Buffer.from(`${both.id}.${both.headers['webhook-timestamp']}.`), both.body])
const isSignedBy = jwk => verify(null, signed, createPublicKey({ key: jwk, format: 'jwk' }), Buffer.from(own, 'base64'))
console.log('signed by the service', keys.some(isSignedBy))

console.log('deleted', (await ask('DELETE', endpoint)).status)
server.close()
server.closeAllConnections()
