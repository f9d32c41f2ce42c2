// A partner's key, from creation to revocation: node examples/partner-key.mjs [http://localhost:8080], while `npm start` runs.
const base = process.argv[2] ?? 'http://localhost:8080'

async function ask(method, path, headers, body) {
  const json = body ? { 'content-type': 'application/json' } : {}
  const reply = await fetch(base + path, { method, headers: { ...headers, ...json }, body: body && JSON.stringify(body) })
  return { status: reply.status, body: reply.status === 204 ? undefined : await reply.json() }
}

/** Asks until a service has heard that a key or a secret was taken back: five seconds at most. */
async function untilRefused(key) {
  const begun = performance.now()
  while ((await catalogWith(key)).status !== 401) await new Promise(done => setTimeout(done, 100))
  return performance.now() - begun < 5000 ? 'within five seconds' : 'too late'
}

// You, who give out keys, come with an access token. In development this client may do everything.
const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'admin', client_secret: 'admin-secret' })
const { access_token } = await (await fetch(`${base}/oauth/token`, { method: 'POST', body: form })).json()
const you = { authorization: `Bearer ${access_token}` }
const retriable = { 'idempotency-key': crypto.randomUUID() }

// What you give out: a name to know it by, what it allows, until when. The key is in this answer only; keep it, and hand it over safely.
const order = { name: 'Acme reads our catalog', scopes: ['catalog:read'], expiresAt: new Date(Date.now() + 90 * 86_400_000).toISOString() }
const created = await ask('POST', '/v1/api-keys', { ...you, ...retriable }, order)
const { apiKeyId, key, secrets } = created.body
console.log('created', created.status, key.split('_').slice(0, 2).join('_'))

// Asked again, because the answer might have been lost, it is the same key, and no longer shown.
const again = await ask('POST', '/v1/api-keys', { ...you, ...retriable }, order)
console.log('asked again', again.status, again.body.apiKeyId === apiKeyId ? 'the same' : 'another', again.body.key)

// What the partner's program does with it.
const catalogWith = each => ask('GET', '/v1/products?limit=1', { 'x-api-key': each })
console.log('reads', (await catalogWith(key)).status)
console.log('writes', (await ask('POST', '/v1/products', { 'x-api-key': key }, { title: 'Lamp' })).status)
console.log('gives out keys', (await ask('POST', '/v1/api-keys', { 'x-api-key': key }, order)).status)

// Once a year, or when it may have been seen: a second secret. Both are good until the partner has changed over.
const rotated = await ask('POST', `/v1/api-keys/${apiKeyId}/rotate`, you, {})
const next = rotated.body.key
console.log('rotated', rotated.status, 'old', (await catalogWith(key)).status, 'new', (await catalogWith(next)).status)
await ask('DELETE', `/v1/api-keys/${apiKeyId}/secrets/${secrets[0].secretId}`, you)
console.log('old secret refused', await untilRefused(key), 'new', (await catalogWith(next)).status)

const { body: seen } = await ask('GET', `/v1/api-keys/${apiKeyId}`, you)
console.log('last used', Date.now() - Date.parse(seen.lastUsedAt) < 120_000 ? 'just now' : seen.lastUsedAt)

await ask('DELETE', `/v1/api-keys/${apiKeyId}`, you)
console.log('revoked, refused', await untilRefused(next))
