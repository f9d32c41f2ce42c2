import type { BrokerLog, Message } from './broker.ts'
import { type Confirms, openConfirms } from './rabbitmq-confirms.ts'
import { type Link, within } from './rabbitmq-connection.ts'
import { declareTopic } from './rabbitmq-topology.ts'

export type Publisher = {
  /** Resolves once all are accepted, but for those that it adds to `refused`; rejects when the broker is away or takes nothing. */
  publish(messages: readonly Message[], refused: Map<Message, string>): Promise<void>
}

type Line = { confirms: Confirms; lost: AbortSignal; topics: Set<string>; declare(topic: string): Promise<void> }

/** Returned messages are told of together, at most this often. */
const TELL_EVERY_MS = 60_000
const ANSWER_TIMEOUT_MS = 15_000

/** Publishes over one channel, which it opens when there is none. */
export function openPublisher(link: Link, log?: BrokerLog): Publisher {
  let line: Line | undefined
  let preparing: Promise<unknown> | undefined
  const unroutable = openTally(log)

  async function publish(messages: readonly Message[], refused: Map<Message, string>): Promise<void> {
    const topics = new Set(messages.map(message => message.topic))
    if (preparing || !isReady(topics)) await inTurn(() => prepare(topics))
    await line!.confirms.send(messages, refused)
  }

  function isReady(topics: ReadonlySet<string>): boolean {
    return line !== undefined && !line.lost.aborted && [...topics].every(topic => line!.topics.has(topic))
  }

  /** One after another, so that what was to be published first is sent first. */
  async function inTurn(work: () => Promise<void>): Promise<void> {
    const before = preparing
    const turn = (async () => {
      await before?.catch(() => {})
      await work()
    })()
    preparing = turn
    try {
      await turn
    } finally {
      if (preparing === turn) preparing = undefined
    }
  }

  async function prepare(topics: ReadonlySet<string>): Promise<void> {
    if (!line || line.lost.aborted) line = await openLine()
    // RabbitMQ does not even read what a blocked connection asks.
    if (line.confirms.paused) throw line.confirms.paused
    for (const topic of topics) {
      if (!line.topics.has(topic)) await within(ANSWER_TIMEOUT_MS, line.declare(topic))
      line.topics.add(topic)
    }
  }

  async function openLine(): Promise<Line> {
    const connection = await link.connection()
    const { model, lost, abandon } = connection
    const isBlocked = (reason: string) => new Error(`RabbitMQ takes no messages now: it is ${reason}`)
    if (connection.blocked !== undefined) throw isBlocked(connection.blocked)
    const gone = new AbortController()
    const ends = AbortSignal.any([lost, gone.signal])
    const channel = await within(ANSWER_TIMEOUT_MS, model.createConfirmChannel())
    channel.on('error', error => gone.abort(error))
    channel.on('close', () => gone.abort(new Error('the channel was closed')))
    const confirms = openConfirms(channel, { stalled: abandon, unroutable: unroutable.add })
    const blocked = (reason: string) => confirms.pause(isBlocked(reason))
    model.on('blocked', blocked)
    model.on('unblocked', confirms.resume)
    const end = () => {
      model.off('blocked', blocked)
      model.off('unblocked', confirms.resume)
      confirms.pause(new Error(`RabbitMQ has not accepted the messages: ${(ends.reason as Error).message}`, { cause: ends.reason }))
    }
    if (ends.aborted) throw ends.reason
    ends.addEventListener('abort', end, { once: true })
    return { confirms, lost: ends, topics: new Set(), declare: topic => declareTopic(channel, topic) }
  }

  return { publish }
}

/** Counts the messages that no queue wanted, and tells of them now and then rather than of each. */
function openTally(log?: BrokerLog): { add(topic: string, routingKey: string): void } {
  let untold = new Map<string, number>()
  let quiet = false

  function tell(): void {
    if (untold.size === 0) {
      quiet = false
      return
    }
    log?.warn({ unroutable: Object.fromEntries(untold) }, 'no queue was bound for messages that were published; they are gone')
    untold = new Map()
    quiet = true
    setTimeout(tell, TELL_EVERY_MS).unref()
  }

  return {
    add(topic, routingKey) {
      log?.unroutable?.(topic)
      const name = `${topic} ${routingKey}`
      untold.set(name, (untold.get(name) ?? 0) + 1)
      if (!quiet) tell()
    }
  }
}
