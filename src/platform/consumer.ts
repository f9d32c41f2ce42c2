/** A consumer group of a service, and what each of its events causes. */
import type { TObject } from 'typebox'
import type { Message } from '#broker/broker.ts'
import type { EventContract } from '#contracts/define.ts'
import type { EventOf } from '#contracts/envelope.ts'
import { Problem } from '#contracts/problems.ts'
import type { Database, Transaction } from './database.ts'
import { type Decoded, decode } from './decode.ts'
import type { Log } from './log.ts'

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

/** Runs what the event causes. */
export async function react(tx: Transaction, consumer: Consumer, decoded: DecodedEvent): Promise<void> {
  const reaction = consumer.reactions.find(reaction => reaction.event === decoded.contract)
  await reaction?.behaviour(tx, decoded.event as never)
}

export function reasonOf(problem: Problem): string {
  return problem.code === 'commit-refused' ? 'commit-refused' : 'refused'
}

export function describe(error: unknown): string {
  return (error instanceof Problem ? `${error.code}: ${error.message}` : String(error)).slice(0, 2000)
}
