/**
 * Signatures of webhooks as Standard Webhooks 1.0 has them: over id, time and the exact body; `v1` an HMAC-SHA256 with the secret of the
 * endpoint, `v1a` an Ed25519 signature with the key of the service, which nobody who verifies can forge.
 */
import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { signAside } from './signing.ts'

const SECRET_BYTES = 32

export const newWebhookSecret = (): Buffer => randomBytes(SECRET_BYTES)

/** A secret as it signs: made once, since making it costs more than a signature. */
export type HmacKey = KeyObject
export const hmacKeyOf = (secret: Uint8Array): HmacKey => createSecretKey(secret)

/** As its owner is shown it: `whsec_` and base64. */
export const shownSecret = (secret: Uint8Array): string => `whsec_${Buffer.from(secret).toString('base64')}`

export type WebhookHeaders = { 'webhook-id': string; 'webhook-timestamp': string; 'webhook-signature': string }

/** One signature for each secret that is good, so that a receiver may have any of them; and one with the key. `at` is seconds since 1970. */
export async function signWebhook(
  message: { id: string; at: number; body: string },
  by: { secrets: readonly (HmacKey | Uint8Array)[]; key: KeyObject }
): Promise<WebhookHeaders> {
  const { id, at, body } = message
  const signed = Buffer.from(`${id}.${at}.${body}`)
  const shared = by.secrets.map(secret => `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`)
  const own = `v1a,${(await signAside(null, signed, by.key)).toString('base64')}`
  return { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': [...shared, own].join(' ') }
}
