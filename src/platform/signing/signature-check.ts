/**
 * Whether an event is from whom it says: its signature is made with a key that its source publishes, over exactly its body. Each source
 * speaks on its own topic with its own keys, so that nobody signs for another.
 */
import type { CryptoKey } from 'jose'
import { decodeProtectedHeader } from 'jose/decode/protected_header'
import { flattenedVerify } from 'jose/jws/flattened/verify'
import type { Message } from '#broker/broker.ts'
import type { EventContract } from '#contracts/define.ts'
import type { Log } from '../log.ts'
import { contentOf } from '../messaging/cloudevents.ts'
import type { SignaturePolicy, TrustedSource } from '../messaging/event-sources.ts'
import type { Queryable } from '../postgres/database.ts'
import { type KeySet, openKeySet } from './key-sets.ts'
import { edwards as algorithms } from './signature-algorithms.ts'
import { disagreement } from './signed-attributes.ts'

/** Why an event is not believed, as its dead letter says it. */
export type SignatureFault =
  | 'signature-missing'
  | 'signature-invalid'
  | 'signature-mismatch'
  | 'signature-unknown-key'
  | 'signature-unknown-source'

export type Checked =
  /** `unsigned`: why it is accepted with a warning only. */
  | { kind: 'accepted'; unsigned?: string }
  | { kind: 'refused'; fault: SignatureFault; error: string }
  /** Nobody can say yet. `absent`: its key is not in the key set as it is published now; otherwise the key set cannot be had. */
  | { kind: 'pending'; absent: boolean; error: string; retryInMs: number }

export interface SignatureCheck {
  /** Never rejects. `contract` is the event's, where it is known. */
  check(message: Message, claimed: { source: string; contract?: EventContract }): Promise<Checked>
  /** How long an event waits for its key to be published. */
  readonly keyWaitMs: number
  [Symbol.asyncDispose]?(): Promise<void>
}

const KEY_WAIT_MS = 600_000
const KID_LENGTH_MAX = 200

type Header = { kid: string; fault?: undefined } | { fault: string }

/** `now` is monotonic, in milliseconds. */
export function openSignatureCheck(options: {
  policies: Readonly<Record<string, SignaturePolicy>>
  sources: readonly TrustedSource[]
  /** Whose consumers ask. */
  service?: string
  database: Queryable
  log: Log
  now?: () => number
  keyWaitMs?: number
}): SignatureCheck {
  const { policies, database, log, now } = options
  const keySets = new Map<string, { topic: string; url: TrustedSource['url']; keys: KeySet }>()
  for (const of of options.sources) {
    const keys = openKeySet({ of, service: options.service, database, log, ...(now ? { now } : {}) })
    keySets.set(of.source, { topic: of.topic, url: of.url, keys })
  }

  return {
    keyWaitMs: options.keyWaitMs ?? KEY_WAIT_MS,
    async [Symbol.asyncDispose]() {
      for (const { keys } of keySets.values()) await keys[Symbol.asyncDispose]()
    },
    async check(message, { source, contract }) {
      const policy = policies[message.topic] ?? 'require'
      if (policy === 'off') return { kind: 'accepted' }
      const unsigned = (fault: SignatureFault, error: string): Checked =>
        policy === 'require' ? { kind: 'refused', fault, error } : { kind: 'accepted', unsigned: error }
      const content = contentOf(message)
      const { signature } = content.attributes
      if (signature === undefined) return unsigned('signature-missing', `an event of ${source} is not signed`)
      const header = readHeader(signature)
      if (header.fault !== undefined) return { kind: 'refused', fault: 'signature-invalid', error: header.fault }
      const trusted = keySets.get(source)
      if (trusted?.topic !== message.topic) {
        const error = `no keys are known of ${source} on ${message.topic}: see EVENT_SOURCES`
        return unsigned('signature-unknown-source', error)
      }
      const found = await trusted.keys.find(header.kid)
      if (found.kind === 'unavailable') {
        // Where nobody has said where its keys are, it is no more than unsigned.
        if (policy === 'warn' && trusted.url() === undefined) return { kind: 'accepted', unsigned: found.error }
        return { kind: 'pending', absent: false, error: found.error, retryInMs: found.retryInMs }
      }
      if (found.kind === 'absent') {
        return { kind: 'pending', absent: true, error: `${source} publishes no key ${header.kid}`, retryInMs: found.retryInMs }
      }
      if (!(await isSignedWith(found.key, signature, content.data)))
        return { kind: 'refused', fault: 'signature-invalid', error: `the signature is not of ${source} over this body` }
      const error = contract && disagreement({ ...content, topic: message.topic, key: message.key, contract })
      return error ? { kind: 'refused', fault: 'signature-mismatch', error } : { kind: 'accepted' }
    }
  }
}

/** Looked at before any key is: what can never be accepted makes nobody fetch anything. */
function readHeader(signature: string): Header {
  const [protectedHeader, payload, , ...more] = signature.split('.')
  if (payload !== '' || more.length > 0) return { fault: 'the signature is no detached JWS' }
  try {
    const { alg, kid, b64, crit } = decodeProtectedHeader({ protected: protectedHeader! })
    if (!algorithms.includes(String(alg))) return { fault: `the signature's alg is ${String(alg).slice(0, 20)}, not EdDSA` }
    if (b64 !== false || crit?.join() !== 'b64') return { fault: 'the signature is not over the body as it is (b64, crit)' }
    return kid && kid.length <= KID_LENGTH_MAX ? { kid } : { fault: 'the signature names no key' }
  } catch {
    return { fault: 'the signature has no header that can be read' }
  }
}

async function isSignedWith(key: CryptoKey, detached: string, payload: Uint8Array): Promise<boolean> {
  const [protectedHeader, , signature] = detached.split('.') as [string, string, string]
  try {
    await flattenedVerify({ protected: protectedHeader, payload, signature }, key, { algorithms })
    return true
  } catch {
    return false
  }
}
