/**
 * Consuming: decode → check → verify → begin → claim in the inbox → behaviour → commit → acknowledge. A behaviour takes effect once, however
 * often its event arrives. Retries, parking per key and dead letters live in PostgreSQL, identically for every broker.
 */
import type { Delivery, Verdict } from '#broker/broker.ts'
import { failpoint } from '../failpoint.ts'
import type { Transaction } from '../postgres/database.ts'
import { isAway, sqlState } from '../postgres/database-errors.ts'
import { type Unverified, type Verified, verified } from '../signing/verify-signature.ts'
import { type Consumer, CrashPoison, type DecodedEvent, decodeFor, describe, keyed, react, refusalOf } from './consumer.ts'
import { guarded } from './crash-watch.ts'
import { setAside } from './dead-letters.ts'
import { contextOf, countConsumed } from './message-telemetry.ts'
import { park } from './parking.ts'

/**
 * Handles one delivery. Never throws: what cannot be handled now is parked or set aside; `retry` only when the database is away or
 * cannot do even that, `dead-letter` only when it could never store the message.
 */
export async function consume(consumer: Consumer, received: Delivery): Promise<Verdict> {
  const started = performance.now()
  const claimed = decodeFor(consumer, received)
  const delivery = keyed(received, claimed)
  const decoded = await verified(consumer, delivery, claimed)
  let outcome: string
  let failure: unknown
  try {
    outcome = await settle(consumer, delivery, decoded, error => {
      failure = error
    })
  } catch (error) {
    outcome = unstorable.test(sqlState(error) ?? '') ? 'unstorable' : 'retry'
    failure = error
  }
  // What nothing reacts to may be called anything.
  const eventType = (decoded.kind === 'ignored' ? null : decoded.type) ?? 'unknown'
  const ms = performance.now() - started
  const happenedAt = decoded.kind === 'event' ? decoded.event.timestamp : undefined
  countConsumed(consumer.name, { type: eventType, outcome, ms, happenedAt, failure })
  if (outcome !== 'ignored') {
    const line = {
      unit: 'event',
      consumer: consumer.name,
      eventType,
      eventId: decoded.kind === 'ignored' ? undefined : decoded.eventId,
      key: delivery.key,
      position: delivery.position,
      traceparent: contextOf(delivery),
      outcome,
      ms: Math.round(ms),
      ...(failure ? { error: String(failure) } : {})
    }
    consumer.log[failure ? 'warn' : 'info'](line, `${eventType} ${outcome}`)
  }
  return outcome === 'retry' ? 'retry' : outcome === 'unstorable' ? 'dead-letter' : 'ack'
}

/** SQLSTATE classes of data that PostgreSQL does not take: text with a zero byte, a key too long for an index. */
const unstorable = /^(22|54)/

async function settle(
  consumer: Consumer,
  delivery: Delivery,
  decoded: Verified,
  failed: (error: unknown) => void
): Promise<string> {
  if (decoded.kind === 'ignored') return 'ignored'
  if (decoded.kind === 'invalid') {
    failed(decoded.error)
    return (await setAside(consumer, delivery, decoded, decoded.reason, decoded.error)) ? 'dead-letter' : 'duplicate'
  }
  if (decoded.kind === 'unverified') {
    failed(decoded.error)
    return awaitKey(consumer, delivery, decoded)
  }
  try {
    return await guarded(consumer, decoded, 'broker', () => takeEffect(consumer, delivery, decoded))
  } catch (error) {
    failed(error)
    return isAway(error) ? 'retry' : await keep(consumer, delivery, decoded, error)
  }
}

async function takeEffect(consumer: Consumer, delivery: Delivery, decoded: DecodedEvent): Promise<string> {
  await failpoint('consume.before-transaction')
  const outcome = await consumer.database.transact(async tx => {
    const claimed = await claim(tx, consumer, decoded, delivery.key)
    if (claimed === 'behind')
      await park(tx, consumer, delivery, { attempts: 0, delayMs: 0, error: 'an earlier message of the key waits' })
    if (claimed === 'fresh') await react(tx, consumer, decoded, delivery)
    await failpoint('consume.in-transaction')
    return claimed === 'fresh' ? 'applied' : claimed === 'behind' ? 'parked' : 'duplicate'
  })
  await failpoint('consume.after-commit')
  return outcome
}

/** Parks what may succeed later, and sets aside what cannot. */
async function keep(consumer: Consumer, delivery: Delivery, decoded: DecodedEvent, error: unknown): Promise<string> {
  const refusal = refusalOf(error)
  const delayMs = consumer.retryDelaysMs[0]
  if (refusal || delayMs === undefined) {
    const attempts = error instanceof CrashPoison ? error.times : 1
    await setAside(consumer, delivery, decoded, refusal ?? 'retries-exhausted', describe(error), attempts)
    return 'dead-letter'
  }
  await consumer.database.transact(async tx => {
    if ((await claim(tx, consumer, decoded, delivery.key)) !== 'duplicate') {
      await park(tx, consumer, delivery, { attempts: 1, delayMs, error: describe(error) })
    }
  })
  return 'parked'
}

/** Parks what nobody can verify yet, claimed under an identity of its own. */
function awaitKey(consumer: Consumer, delivery: Delivery, unverified: Unverified): Promise<string> {
  const { source, inboxId, error, retryInMs: delayMs } = unverified
  return consumer.database.transact(async tx => {
    if ((await claim(tx, consumer, { source, eventId: inboxId }, delivery.key)) === 'duplicate') return 'duplicate'
    await park(tx, consumer, delivery, { attempts: 0, delayMs, error, unverified: true })
    return 'parked'
  })
}

type Claim = 'fresh' | 'duplicate' | 'behind'

/** Locks the key for this consumer until the transaction ends and claims the event. */
async function claim(
  tx: Transaction,
  consumer: Consumer,
  { source, eventId }: Pick<DecodedEvent, 'source' | 'eventId'>,
  key: string
): Promise<Claim> {
  const [row] = await tx.query<{ claim: Claim }>('select claim($1, $2, $3, $4)', [consumer.name, source, eventId, key])
  return row!.claim
}
