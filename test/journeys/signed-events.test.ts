import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import type { Delivery } from '#broker/broker.ts'
import { openBroker } from '#broker/open.ts'
import { eventually, openWorld } from '../support/world.ts'

const world = await openWorld()
after(() => world[Symbol.asyncDispose]())
const EVENT_SIGNATURES = 'product.events=require,order.events=require,user.events=require'
const secrets = { SIGNING_KEY_SECRET: 'a secret of thirty-two characters or more', EVENT_SIGNATURES }
const { url, urls } = await world.start([], secrets)
const client = world.client(url)
const { databaseUrl } = world

const run = promisify(execFile)
async function signingKeys(...args: string[]): Promise<string[]> {
  const env = { ...process.env, DATABASE_URL: databaseUrl, ...secrets }
  const { stdout } = await run(process.execPath, ['scripts/signing-keys.ts', ...args], { env })
  return stdout.trim().split('\n')
}
const keySet = async (at: string) =>
  (await (await fetch(`${new URL(at).origin}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] }

let products = 0
async function createProduct() {
  const sku = `SIGNED-${++products}`
  const variants = [{ sku, prices: [{ amount: '10.00', currency: 'EUR' }], inventory: { onHand: 10 } }]
  const { status, body } = await client.call<{ productId: string; variants: [{ variantId: string }] }>('POST', '/v1/products', {
    body: { title: `Signed lamp number ${products}`, slug: `signed-${products}`, status: 'active', variants }
  })
  assert.equal(status, 201, JSON.stringify(body))
  return { productId: body.productId, variantId: body.variants[0].variantId }
}
/** A consumer that has just fetched a key set asks for a key that is not in it half a minute later. */
const KEY_KNOWN_MS = 60_000
const found = (productId: string) =>
  eventually(
    async () => (await client.call<{ data: { productId: string }[] }>('GET', '/v1/search?q=signed&limit=100')).body.data,
    data => data.some(each => each.productId === productId),
    KEY_KNOWN_MS
  )

test('where every topic must be signed, a product is found and an order holds its stock', async () => {
  const product = await createProduct()
  await found(product.productId)
  const { body: order } = await client.call<{ orderId: string }>('POST', '/v1/orders', {
    body: { userId: randomUUID(), items: [{ ...product, quantity: 2 }] }
  })
  await eventually(
    async () => (await client.call<{ status: string }>('GET', `/v1/orders/${order.orderId}`)).body.status,
    status => status !== 'pending'
  )
  const { body: inventory } = await client.call<{ reserved: number }>('GET', `/v1/inventory/${product.variantId}`)
  assert.equal(inventory.reserved, 2)
  const { body: letters } = await client.call<{ data: unknown[] }>('GET', '/v1/dead-letters')
  assert.deepEqual(letters.data, [])
})

test('each service publishes its own keys, the gateway those of the Product Service, and a copy that is current is not sent again', async () => {
  const response = await fetch(`${url}/.well-known/jwks.json`)
  assert.deepEqual(
    [response.status, response.headers.get('content-type'), response.headers.get('cache-control')],
    [200, 'application/jwk-set+json; charset=utf-8', 'public, max-age=600']
  )
  const etag = response.headers.get('etag')!
  const again = await fetch(`${url}/.well-known/jwks.json`, { headers: { 'if-none-match': etag } })
  assert.deepEqual([again.status, await again.text(), again.headers.get('etag')], [304, '', etag])
  const [viaGateway, product, order] = await Promise.all([keySet(url), keySet(urls.product!), keySet(urls.order!)])
  assert.deepEqual(viaGateway, product)
  assert.notDeepEqual(product, order)
  assert.deepEqual(Object.keys(product.keys[0]!).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x'])
})

test('whoever can write to the broker can still not place an order in another’s name', async () => {
  await using broker = await openBroker({ url: databaseUrl })
  const { productId, variantId } = await createProduct()
  const orderId = `forged-${randomUUID()}`
  const event = { eventId: randomUUID(), eventType: 'OrderCreated', source: '/order-service', timestamp: new Date().toISOString() }
  const body = Buffer.from(JSON.stringify({ ...event, orderId, userId: 'u', items: [{ productId, variantId, quantity: 10 }] }))
  await broker.publish([{ topic: 'order.events', key: orderId, messageId: event.eventId, routingKey: '', headers: {}, body }])
  const [letter] = await eventually(
    async () => (await client.call<{ data: { reason: string; body: string }[] }>('GET', '/v1/dead-letters')).body.data,
    data => data.length > 0
  )
  assert.deepEqual([letter!.reason, letter!.body], ['signature-missing', body.toString()])
  const { body: inventory } = await client.call<{ reserved: number }>('GET', `/v1/inventory/${variantId}`)
  assert.equal(inventory.reserved, 0)
})

test('a key is rotated and revoked by a command while everything runs, and every product is found', async () => {
  const [first] = await signingKeys('list')
  assert.match(first!, /^\S+ {2}active {3}from \S+Z$/)
  const kid = first!.split(' ')[0]!
  assert.deepEqual(
    (await keySet(url)).keys.map(key => key.kid),
    [kid]
  )

  const [said, ...listed] = await signingKeys('rotate', '--in', '1')
  const next = said!.split(' ')[0]!
  assert.deepEqual([said!.includes('is published'), listed.map(line => line.split(/ +/)[1])], [true, ['active', 'next']])
  assert.match((await signingKeys('rotate', '--in', '1'))[0]!, /waits already|is published/)
  await eventually(
    () => signingKeys('list'),
    lines => lines.some(line => line.startsWith(next) && /active|retired/.test(line))
  )
  await found((await createProduct()).productId)

  const [revoked] = await signingKeys('revoke', kid)
  assert.match(revoked!, /is revoked; \S+ signs/)
  assert.ok(!(await keySet(url)).keys.some(key => key.kid === kid))
  await found((await createProduct()).productId)
})

test('a command that cannot be meant changes nothing, and says how it is meant', async () => {
  const before = await signingKeys('list')
  const meant = [[], ['rotate', '--in', 'soon'], ['revoke', 'nobody'], ['list', '--service', 'x']]
  const refusals = await Promise.all(
    meant.map(args =>
      signingKeys(...args).then(
        () => assert.fail(`${args} was taken`),
        error => error
      )
    )
  )
  for (const { code, stderr } of refusals) {
    assert.equal(code, 64, stderr)
    assert.match(stderr, /npm run signing-keys|no key nobody|no service x/)
  }
  assert.deepEqual(await signingKeys('list'), before)
})

/** An event as it came over the broker, and what the page tells others to do with it. */
async function anEvent(): Promise<Given> {
  await using broker = await openBroker({ url: databaseUrl })
  const { promise, resolve } = Promise.withResolvers<Delivery>()
  await using _ = await broker.subscribe({
    group: `others.${randomUUID()}`,
    topics: ['product.events'],
    concurrency: 1,
    async handle(delivery) {
      // Keys that were revoked above have signed the first ones.
      if (JSON.stringify(await keySet(url)).includes(kidOf(delivery))) resolve(delivery)
      return 'ack'
    }
  })
  const { headers, body } = await promise
  return { signature: headers.ce_signature!, body: Buffer.from(body), keySet: await keySet(url) }
}
const kidOf = ({ headers }: Delivery) => JSON.parse(Buffer.from(headers.ce_signature!.split('.')[0]!, 'base64url').toString()).kid

const page = await readFile('docs/how-to/verify-events.md', 'utf8')
const snippet = (language: string) => new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(page)![1]!

type Given = { signature: string | undefined; body: Buffer; keySet: unknown }

/** What a program that reads this from its input says: the id of the event, or the end of its complaint. */
function said(command: readonly string[], { signature, body, keySet }: Given): string {
  const input = JSON.stringify({ signature, body: body.toString('base64'), keySet })
  const { stdout, stderr } = spawnSync(command[0]!, command.slice(1), { input, encoding: 'utf8' })
  return stdout.trim() || stderr
}

test('others verify an event as the page tells them to, in Node.js', async () => {
  const program = `${snippet('js')}
    import { readFileSync } from 'node:fs'
    const { signature, body, keySet } = JSON.parse(readFileSync(0, 'utf8'))
    console.log(verifyEvent(signature, Buffer.from(body, 'base64'), keySet).eventId)`
  const verified = (given: Given) => said([process.execPath, '--input-type=module', '--eval', program], given)
  const event = await anEvent()
  assert.equal(verified(event), JSON.parse(event.body.toString()).eventId)
  const forged = Buffer.from(event.body.toString().replace('"source":"/product-service"', '"source":"/product-servicf"'))
  assert.match(verified({ ...event, body: forged }), /Error: forged/)
  assert.match(verified({ ...event, keySet: { keys: [] } }), /Error: unknown key/)
  assert.match(verified({ ...event, signature: undefined }), /Error: not signed/)
  const none = Buffer.from(JSON.stringify({ alg: 'none', kid: 'x', b64: false, crit: ['b64'] })).toString('base64url')
  assert.match(verified({ ...event, signature: `${none}..AA` }), /Error: not signed as agreed/)
})

const python = spawnSync('python3', ['-c', 'import cryptography']).status === 0
test('and in Python', { skip: python ? false : 'there is no python3 with cryptography' }, async () => {
  const program = `${snippet('python')}
import sys
given = json.load(sys.stdin)
print(verify_event(given["signature"], base64.b64decode(given["body"]), given["keySet"])["eventId"])
`
  const event = await anEvent()
  assert.equal(said(['python3', '-c', program], event), JSON.parse(event.body.toString()).eventId)
  assert.match(
    said(['python3', '-c', program], { ...event, body: Buffer.concat([event.body, Buffer.from(' ')]) }),
    /InvalidSignature/
  )
})
