/**
 * Consuming: decode → check → begin → claim in the inbox → behaviour → commit → acknowledge. A behaviour takes effect once, however
 * often its event arrives. Retries, parking per key and dead letters live in PostgreSQL, identically for every broker.
 */
import type { Delivery, Message, Verdict } from '#broker/broker.ts'
import { Problem } from '#contracts/problems.ts'
import { type Consumer, type DecodedEvent, decodeFor, describe, react, reasonOf } from './consumer.ts'
import type { Transaction } from './database.ts'
import { isAway, sqlState } from './database-errors.ts'
import { setAside } from './dead-letters.ts'
import type { Decoded } from './decode.ts'
import { failpoint } from './failpoint.ts'
import { park } from './parking.ts'
import { consumedEvents } from './telemetry.ts'

/**
 * Handles one delivery. Never throws: what cannot be handled now is parked or set aside; `retry` only when the database is away or
 * cannot do even that, `dead-letter` only when it could never store the message.
 */
export async function consume(consumer: Consumer, delivery: Delivery): Promise<Verdict> {
  const started = performance.now()
  const decoded = decodeFor(consumer, delivery)
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
  consumedEvents.inc({ consumer: consumer.name, type: eventType, outcome })
  if (outcome !== 'ignored') {
    const line = {
      unit: 'event',
      consumer: consumer.name,
      eventType,
      eventId: decoded.kind === 'ignored' ? undefined : decoded.eventId,
      key: delivery.key,
      position: delivery.position,
      traceparent: delivery.headers.traceparent,
      outcome,
      ms: Math.round(performance.now() - started),
      ...(failure ? { error: String(failure) } : {})
    }
    consumer.log[failure ? 'warn' : 'info'](line, `${eventType} ${outcome}`)
  }
  return outcome === 'retry' ? 'retry' : outcome === 'unstorable' ? 'dead-letter' : 'ack'
}

/** SQLSTATE classes of data that PostgreSQL does not take: text with a zero byte, a key too long for an index. */
const unstorable = /^(22|54)/

async function settle(consumer: Consumer, message: Message, decoded: Decoded, failed: (error: unknown) => void): Promise<string> {
  if (decoded.kind === 'ignored') return 'ignored'
  if (decoded.kind === 'invalid') {
    failed(decoded.error)
    return (await setAside(consumer, message, decoded, decoded.reason, decoded.error)) ? 'dead-letter' : 'duplicate'
  }
  try {
    await failpoint('consume.before-transaction')
    const outcome = await consumer.database.transact(async tx => {
      const claimed = await claim(tx, consumer, decoded, message.key)
      if (claimed === 'behind')
        await park(tx, consumer, message, { attempts: 0, delayMs: 0, error: 'an earlier message of the key waits' })
      if (claimed === 'fresh') await react(tx, consumer, decoded, message)
      await failpoint('consume.in-transaction')
      return claimed === 'fresh' ? 'applied' : claimed === 'behind' ? 'parked' : 'duplicate'
    })
    await failpoint('consume.after-commit')
    return outcome
  } catch (error) {
    failed(error)
    if (isAway(error)) return 'retry'
    if (error instanceof Problem && !error.retry) {
      await setAside(consumer, message, decoded, reasonOf(error), describe(error))
      return 'dead-letter'
    }
    const delayMs = consumer.retryDelaysMs[0]
    if (delayMs === undefined) {
      await setAside(consumer, message, decoded, 'retries-exhausted', describe(error))
      return 'dead-letter'
    }
    await consumer.database.transact(async tx => {
      if ((await claim(tx, consumer, decoded, message.key)) !== 'duplicate') {
        await park(tx, consumer, message, { attempts: 1, delayMs, error: describe(error) })
      }
    })
    return 'parked'
  }
}

type Claim = 'fresh' | 'duplicate' | 'behind'

/** Locks the key for this consumer until the transaction ends and claims the event. */
async function claim(tx: Transaction, consumer: Consumer, { source, eventId }: DecodedEvent, key: string): Promise<Claim> {
  const [row] = await tx.query<{ claim: Claim }>('select claim($1, $2, $3, $4)', [consumer.name, source, eventId, key])
  return row!.claim
}
