/** Secrets at rest: AES-256-GCM under a key made of a setting, each bound to the name of what it belongs to. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

export type Sealed = { bytes: Buffer; sealed: boolean }

export interface Sealing {
  /** Seals with the first secret; without any, the bytes stay as they are and say so. */
  seal(name: string, bytes: Uint8Array): Sealed
  /** What was sealed for this name under any of the secrets. Throws when none of them opens it. */
  open(name: string, sealed: Sealed): Buffer
  /** Whether it is sealed as `seal` seals now: what is not is to be sealed anew before its secret is forgotten. */
  isCurrent(name: string, sealed: Sealed): boolean
}

/** What is sealed: keys of one kind open nothing of another. */
export type SealedKind = 'signing key' | 'webhook secret'

/** `secrets` is a setting: several, separated by commas, while one is exchanged for another. Undefined: nothing is sealed. */
export function openSealing(secrets: string | undefined, kind: SealedKind = 'signing key'): Sealing {
  const keys = (secrets ?? '')
    .split(',')
    .filter(secret => secret !== '')
    // The secret is random and long: stretching it would only cost time.
    .map(secret => Buffer.from(hkdfSync('sha256', secret, '', `${kind}s`, 32)))
  return {
    seal(name, bytes) {
      const [key] = keys
      if (!key) return { bytes: Buffer.from(bytes), sealed: false }
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(name))
      const text = Buffer.concat([cipher.update(bytes), cipher.final()])
      return { bytes: Buffer.concat([nonce, cipher.getAuthTag(), text]), sealed: true }
    },
    open(name, { bytes, sealed }) {
      if (!sealed) return bytes
      for (const key of keys) {
        const opened = openWith(key, name, bytes)
        if (opened) return opened
      }
      const why = keys.length === 0 ? 'there is no SIGNING_KEY_SECRET' : 'it was sealed with another SIGNING_KEY_SECRET'
      throw new Error(`the ${kind} ${name} cannot be opened: ${why}`)
    },
    isCurrent(name, { bytes, sealed }) {
      const [key] = keys
      return key ? sealed && openWith(key, name, bytes) !== undefined : !sealed
    }
  }
}

function openWith(key: Buffer, name: string, bytes: Buffer): Buffer | undefined {
  try {
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
}
