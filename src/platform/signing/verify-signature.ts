/** Verifying, as a step of consuming: what is not believed is set aside under an identity of its own, and never under the one it claims. */
import { createHash } from 'node:crypto'
import type { Message } from '#broker/broker.ts'
import { Problem } from '#contracts/problems.ts'
import type { Consumer } from '../messaging/consumer.ts'
import type { Decoded } from '../messaging/decode.ts'
import { signatureFailures, unsignedMessages } from '../telemetry.ts'
import type { SignatureFault } from './signature-check.ts'

type Identity = { source: string; eventId: string; inboxId: string; type: string | null; key: string }

/** Its key is not known yet: it is to wait, without any place in the inbox under the id that it claims to have. */
export type Unverified = Identity & { kind: 'unverified'; error: string; retryInMs: number }

export type Verified = Decoded | Unverified

/** Thrown where an event is handled again and is not believed any more. */
export class SignatureRefused extends Problem {
  readonly fault: SignatureFault
  constructor(fault: SignatureFault, error: string) {
    super('invalid-request', error)
    this.fault = fault
  }
}

/** Why something that waited, or a dead letter, is not handled now. */
export function refusedAs({ reason, error }: Extract<Decoded, { kind: 'invalid' }>): Problem {
  return reason.startsWith('signature-')
    ? new SignatureRefused(reason as SignatureFault, error)
    : new Problem('invalid-request', error)
}

/**
 * What was decoded, if it is from whom it says. Otherwise `invalid`, with the reason; or `unverified`, for as long as its key may still
 * be published. `waitedMs` is how long it has waited for that. Never rejects.
 */
export async function verified(consumer: Consumer, message: Message, decoded: Decoded, waitedMs = 0): Promise<Verified> {
  const { signatures } = consumer
  if (!signatures || decoded.kind === 'ignored') return decoded
  const checked = await signatures
    .check(message, decoded)
    .catch(error => ({ kind: 'pending', absent: false, error: String(error), retryInMs: 1000 }) as const)
  if (checked.kind === 'accepted') {
    if (checked.unsigned) warn(consumer, decoded.source, checked.unsigned)
    return decoded
  }
  // The genuine event of this id may still come: nothing that anybody can forge may take its place in the inbox.
  const inboxId = `unverified:${createHash('sha256').update(message.body).update(JSON.stringify(message.headers)).digest('hex')}`
  const { source, eventId, type, key } = decoded
  const { error } = checked
  if (checked.kind === 'pending' && !(checked.absent && waitedMs > signatures.keyWaitMs))
    return { kind: 'unverified', source, eventId, inboxId, type, key, error, retryInMs: checked.retryInMs }
  const reason = checked.kind === 'refused' ? checked.fault : 'signature-unknown-key'
  signatureFailures.inc({ consumer: consumer.name, reason })
  return { kind: 'invalid', reason, source, eventId, inboxId, type, key, error }
}

const WARN_EVERY_MS = 60_000
const warnedAt = new Map<string, number>()
const WARNED_MAX = 1000

/** Every one counts; the log is told once a minute of each source. */
function warn(consumer: Consumer, source: string, why: string): void {
  unsignedMessages.inc({ consumer: consumer.name })
  const name = `${consumer.name} ${source}`
  const now = performance.now()
  if (now - (warnedAt.get(name) ?? Number.NEGATIVE_INFINITY) < WARN_EVERY_MS) return
  if (warnedAt.size >= WARNED_MAX) warnedAt.clear()
  warnedAt.set(name, now)
  consumer.log.warn({ unit: 'signature', consumer: consumer.name, source }, why)
}
