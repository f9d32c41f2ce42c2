/**
 * What an API key is made of: `psk_<environment>_<id>_<secret><checksum>`. The id finds it, 160 bits of chance prove it, and the checksum
 * tells a mistyped key from a wrong one without asking anybody. Only the SHA-256 of the secret is ever kept or sent on.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** A key as far as it can be told from itself: which one it says it is, and the digest of its secret. */
export type PresentedKey = { apiKeyId: string; digest: string }

const SECRET_LENGTH = 32
const CHECKSUM_LENGTH = 7

/** Without letters that are taken for others; 32 of them, so that five bits of a byte choose one evenly. */
const letters = '0123456789abcdefghjkmnpqrstvwxyz'

/** A new secret for the key with this id: the whole key, to be shown once, and the digest to keep. */
export function newApiKey(apiKeyId: string, environment = 'dev'): { key: string; digest: Buffer } {
  const secret = Array.from(randomBytes(SECRET_LENGTH), byte => letters[byte & 31]).join('')
  const body = `psk_${environment}_${apiKeyId.replaceAll('-', '')}_${secret}`
  return { key: body + checksumOf(body), digest: hash('sha256', secret, 'buffer') }
}

const shape = /^(psk_([a-z0-9]{1,16})_([0-9a-f]{32})_([0-9a-hjkmnp-tv-z]{32}))([0-9a-hjkmnp-tv-z]{7})$/

/** Takes a key apart. Undefined for what was never a key of this environment, mistyped ones among them. */
export function readApiKey(text: string, environment: string): PresentedKey | undefined {
  const [, body, where, id, secret, checksum] = shape.exec(text) ?? []
  if (!body || !id || !secret || where !== environment || checksum !== checksumOf(body)) return undefined
  const apiKeyId = id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { apiKeyId, digest: hash('sha256', secret, 'base64url') }
}

/** Whether a presented digest is one that is kept, in a time that says nothing of either. */
export function isDigest(presented: string, kept: Buffer): boolean {
  const bytes = Buffer.from(presented, 'base64url')
  return bytes.length === kept.length && timingSafeEqual(bytes, kept)
}

function checksumOf(body: string): string {
  let rest = crc32(body)
  let text = ''
  for (let length = 0; length < CHECKSUM_LENGTH; length++) {
    text = letters[rest % 32] + text
    rest = Math.floor(rest / 32)
  }
  return text
}
