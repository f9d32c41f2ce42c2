/** A consumer group of a service, and what each of its events causes. */
import type { TObject } from 'typebox'
import type { Message } from '#broker/broker.ts'
import type { EventContract } from '#contracts/define.ts'
import type { EventOf } from '#contracts/envelope.ts'
import { Problem } from '#contracts/problems.ts'
import type { Log } from '../log.ts'
import type { Database, Transaction } from '../postgres/database.ts'
import { becauseOf } from '../resilience/cause.ts'
import type { SignatureCheck } from '../signing/signature-check.ts'
import { SignatureRefused } from '../signing/verify-signature.ts'
import { continueTrace } from '../trace.ts'
import type { CrashWatch } from './crash-watch.ts'
import { type Decoded, decode, type KnownEvents, knownEvents } from './decode.ts'
import { contextOf } from './message-telemetry.ts'

export type Reaction = { event: EventContract; behaviour: (tx: Transaction, event: never) => Promise<unknown> }

/** What an event causes. A behaviour that throws a `Problem` without `retry` sets the message aside; anything else is tried again. */
export function on<Data extends TObject>(
  event: EventContract<Data>,
  behaviour: (tx: Transaction, event: EventOf<EventContract<Data>>) => Promise<unknown>
): Reaction {
  return { event: event as unknown as EventContract, behaviour: behaviour as Reaction['behaviour'] }
}

/** One consumer group: `<service>.<subscription>` and what each of its events causes. */
export type Consumer = {
  name: string
  reactions: readonly Reaction[]
  database: Database
  retryDelaysMs: readonly number[]
  /** Whether handling a message belongs to the trace in which its event was created, or to one of its own. */
  traces?: 'child' | 'link'
  /** A behaviour that is not done by then is undone, and tried again like any that fails. */
  timeoutMs?: number
  /** Without one, a message that kills the process is delivered again for ever. */
  crashWatch?: CrashWatch
  /** Without one, every event is taken for what it says it is. */
  signatures?: SignatureCheck
  log: Log
}

/** A message, and where it stood in what the broker delivered: `product.events@17`. */
export type Received = Message & { position?: string }

export type DecodedEvent = Extract<Decoded, { kind: 'event' }>

const knownBy = new WeakMap<readonly Reaction[], KnownEvents>()

/** Decodes a message for a consumer. */
export function decodeFor({ reactions }: Consumer, message: Message): Decoded {
  let known = knownBy.get(reactions)
  if (!known) {
    known = knownEvents(reactions.map(reaction => reaction.event))
    knownBy.set(reactions, known)
  }
  return decode(message, known)
}

/** The message under its key: a foreign publisher may leave it to us to find it in the event. */
export function keyed<Given extends Message>(message: Given, decoded: Decoded): Given {
  return message.key === '' && decoded.kind !== 'ignored' ? { ...message, key: decoded.key } : message
}

/** Runs what the event causes; what that announces continues the trace of the message. Throws `TimedOut` when it takes too long. */
export async function react(tx: Transaction, consumer: Consumer, decoded: DecodedEvent, message: Message): Promise<void> {
  const reaction = consumer.reactions.find(reaction => reaction.event === decoded.contract)
  if (!reaction) return
  const traced = { ...tx, traceparent: continueTrace(contextOf(message)) }
  const timeoutMs = consumer.timeoutMs ?? TIMEOUT_MS
  const cause = { traceparent: traced.traceparent, deadlineAt: performance.now() + timeoutMs }
  await within(
    timeoutMs,
    becauseOf(cause, () => reaction.behaviour(traced, decoded.event as never))
  )
}

/** Below the server's own limit for a transaction in which nothing happens: past that, the connection is gone and nobody knows why. */
export const TIMEOUT_MS = 15_000

/** The behaviour's transaction has ended without it: whatever it still asks of it is refused. */
export class TimedOut extends Error {
  constructor(ms: number) {
    super(`it was not handled within ${ms} ms`)
    this.name = 'TimedOut'
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise: deadline, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new TimedOut(ms)), ms)
  try {
    await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}

/** The advisory lock, of a consumer ($1) and a key ($2), that serialises the key's messages: the same as `claim` of the inbox takes. */
export const keyLock = `hashtextextended($1 || ' ' || $2, 1)`

/** The message has taken its process with it every time it was handled. */
export class CrashPoison extends Error {
  readonly times: number
  constructor(times: number) {
    super(`each time it was handled its process died; it was not begun for the ${times}th time`)
    this.name = 'CrashPoison'
    this.times = times
  }
}

/** Why no further try can help, as a dead letter says it; undefined when one may. */
export function refusalOf(error: unknown): string | undefined {
  if (error instanceof CrashPoison) return 'crash-poison'
  if (error instanceof SignatureRefused) return error.fault
  if (!(error instanceof Problem) || error.retry) return undefined
  return error.code === 'commit-refused' ? 'commit-refused' : 'refused'
}

/** An error as text that PostgreSQL can store, whatever of the message it quotes. */
export function describe(error: unknown): string {
  const text = error instanceof Problem ? `${error.code}: ${error.message}` : String(error)
  return text.slice(0, 2000).replaceAll('\0', '\uFFFD').toWellFormed()
}
