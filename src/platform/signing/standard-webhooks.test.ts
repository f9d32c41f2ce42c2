/** Signatures of webhooks, verified with nothing of ours: the library of Standard Webhooks, node:crypto and openssl. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { newWebhookSecret, shownSecret, signWebhook, type WebhookHeaders } from './standard-webhooks.ts'

const { privateKey: key, publicKey } = generateKeyPairSync('ed25519')
const now = () => Math.floor(Date.now() / 1000)
const message = { id: '01990000-0000-7000-8000-000000000000', at: now(), body: '{ "title":\t"Schuh \\u00e4 ä 👟" }\n' }
/** Throws where it is not. */
function assertVerified(secret: Buffer, body: string, headers: WebhookHeaders): void {
  new Webhook(shownSecret(secret)).verify(body, headers, { jsonParse: false })
}
const signaturesIn = (headers: WebhookHeaders) =>
  headers['webhook-signature'].split(' ').map(each => each.split(',') as [string, string])

function verifiesAsymmetric({ id, at, body }: typeof message, headers: WebhookHeaders, by: KeyObject): boolean {
  const [, signature] = signaturesIn(headers).find(([version]) => version === 'v1a')!
  return verify(null, Buffer.from(`${id}.${at}.${body}`), by, Buffer.from(signature, 'base64'))
}

test('a secret is 32 random bytes, shown as whsec_ and base64', () => {
  const [one, other] = [newWebhookSecret(), newWebhookSecret()]
  assert.ok(one.length === 32 && !one.equals(other))
  assert.match(shownSecret(one), /^whsec_[A-Za-z0-9+/]{43}=$/)
  assert.deepEqual(Buffer.from(shownSecret(one).slice('whsec_'.length), 'base64'), one)
})

test('whoever has the secret verifies with the library of Standard Webhooks, whatever the body says', async () => {
  const secret = newWebhookSecret()
  const bodies = fc.oneof(fc.string({ unit: 'grapheme' }), fc.json())
  await fc.assert(
    fc.asyncProperty(bodies, fc.uuid(), async (body, id) => {
      const headers = await signWebhook({ id, at: now(), body }, { secrets: [secret], key })
      assertVerified(secret, body, headers)
    })
  )
  const headers = await signWebhook(message, { secrets: [secret], key })
  assert.deepEqual(
    [headers['webhook-id'], headers['webhook-timestamp'], signaturesIn(headers).map(([version]) => version)],
    [message.id, String(message.at), ['v1', 'v1a']]
  )
  assert.deepEqual(new Webhook(shownSecret(secret)).verify(message.body, headers), JSON.parse(message.body))
})

test('while one secret is exchanged for another, each of the two verifies, and no third', async () => {
  const secrets = [newWebhookSecret(), newWebhookSecret()]
  const headers = await signWebhook(message, { secrets, key })
  for (const secret of secrets) assertVerified(secret, message.body, headers)
  assert.throws(() => assertVerified(newWebhookSecret(), message.body, headers), WebhookVerificationError)
})

test('another body, id or time is refused by either signature', async () => {
  const secret = newWebhookSecret()
  const headers = await signWebhook(message, { secrets: [secret], key })
  const changes: Partial<typeof message>[] = [
    { body: `${message.body} ` },
    { body: message.body.trimEnd() },
    { body: message.body.normalize('NFD') },
    { body: '' },
    { id: '01990000-0000-7000-8000-000000000001' },
    { id: '' },
    { at: message.at + 1 },
    { at: message.at - 1 }
  ]
  for (const change of changes) {
    const changed = { ...message, ...change }
    const claimed = { ...headers, 'webhook-id': changed.id, 'webhook-timestamp': String(changed.at) }
    assert.throws(() => assertVerified(secret, changed.body, claimed), WebhookVerificationError, JSON.stringify(change))
    assert.ok(!verifiesAsymmetric(changed, claimed, publicKey), JSON.stringify(change))
  }
})

test('what was recorded and is sent again much later is refused: the time is signed', async () => {
  const secret = newWebhookSecret()
  const headers = await signWebhook({ ...message, at: now() - 6 * 60 }, { secrets: [secret], key })
  assert.throws(() => assertVerified(secret, message.body, headers), /too old/)
})

test('without any secret that is good only the service signs, and the library takes that for nothing', async () => {
  const headers = await signWebhook(message, { secrets: [], key })
  assert.deepEqual(
    signaturesIn(headers).map(([version]) => version),
    ['v1a']
  )
  assert.throws(() => assertVerified(newWebhookSecret(), message.body, headers), WebhookVerificationError)
  assert.ok(verifiesAsymmetric(message, headers, publicKey))
})

test('the signature of the service verifies with its public key alone, by openssl too, and with no other', async () => {
  const headers = await signWebhook(message, { secrets: [newWebhookSecret()], key })
  const other = generateKeyPairSync('ed25519').publicKey
  assert.deepEqual(
    [publicKey, other].map(each => verifiesAsymmetric(message, headers, each)),
    [true, false]
  )

  const folder = await mkdtemp(join(tmpdir(), 'standard-webhooks-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const file = (name: string) => join(folder, name)
  const [, signature] = signaturesIn(headers).at(-1)!
  const { id, at, body } = message
  await writeFile(file('signature'), Buffer.from(signature, 'base64'))
  await writeFile(file('message'), `${id}.${at}.${body}`)
  await writeFile(file('changed'), `${id}.${at}.${body}.`)
  await writeFile(file('key.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
  await writeFile(file('other.pem'), other.export({ type: 'spki', format: 'pem' }))
  const check = (by: string, what: string) => {
    const files = ['-inkey', file(by), '-in', file(what), '-sigfile', file('signature')]
    return promisify(execFile)('openssl', ['pkeyutl', '-verify', '-pubin', '-rawin', ...files], { timeout: 30_000 })
  }
  assert.match((await check('key.pem', 'message')).stdout, /Verified Successfully/)
  for (const [by, what] of [
    ['key.pem', 'changed'],
    ['other.pem', 'message']
  ] as const)
    await assert.rejects(check(by, what), { stdout: /Verification Failure/ })
})
