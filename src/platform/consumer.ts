/** A consumer group of a service, and what each of its events causes. */
import type { TObject } from 'typebox'
import type { Message } from '#broker/broker.ts'
import type { EventContract } from '#contracts/define.ts'
import type { EventOf } from '#contracts/envelope.ts'
import { Problem } from '#contracts/problems.ts'
import type { Database, Transaction } from './database.ts'
import { type Decoded, decode } from './decode.ts'
import type { Log } from './log.ts'
import { continueTrace } from './trace.ts'

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
  log: Log
}

export type DecodedEvent = Extract<Decoded, { kind: 'event' }>

export function decodeFor(consumer: Consumer, message: Message): Decoded {
  return decode(
    message,
    consumer.reactions.map(reaction => reaction.event)
  )
}

/** Runs what the event causes; what that announces continues the trace of the message. */
export async function react(tx: Transaction, consumer: Consumer, decoded: DecodedEvent, message: Message): Promise<void> {
  const reaction = consumer.reactions.find(reaction => reaction.event === decoded.contract)
  const { traceparent, ce_traceparent } = message.headers
  await reaction?.behaviour({ ...tx, traceparent: continueTrace(traceparent ?? ce_traceparent) }, decoded.event as never)
}

/** The advisory lock, of a consumer ($1) and a key ($2), that serialises the key's messages: the same as `claim` of the inbox takes. */
export const keyLock = `hashtextextended($1 || ' ' || $2, 1)`

export function reasonOf(problem: Problem): string {
  return problem.code === 'commit-refused' ? 'commit-refused' : 'refused'
}

/** An error as text that PostgreSQL can store, whatever of the message it quotes. */
export function describe(error: unknown): string {
  const text = error instanceof Problem ? `${error.code}: ${error.message}` : String(error)
  return text.slice(0, 2000).replaceAll('\0', '\uFFFD').toWellFormed()
}
