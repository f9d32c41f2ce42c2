/**
 * Messages as others see them: spans by OpenTelemetry's messaging conventions, and figures, each made in one place. The context in
 * which an event was created goes with it unchanged (`ce_traceparent`); each hop adds its own (`traceparent`).
 */
import { type Broker, type Message, MessagesRefused } from '#broker/broker.ts'
import type { Transaction } from '../postgres/database.ts'
import { becauseOf, type Cause } from '../resilience/cause.ts'
import { clientOperations, consumedEvents, criticalTimes, processDurations, publishDelays, publishedEvents } from '../telemetry.ts'
import { continueTrace, currentSpan, errorTypeOf, type Span, startSpan, within } from '../trace.ts'
import type { LoggedEvent } from './event-log.ts'
import { watchOrder } from './order-watch.ts'

/** What the processes of this program call the broker they share. */
let system: string | undefined

/** From here on, spans say which kind of broker carries the messages. */
export function carriedBy(broker: Pick<Broker, 'system'>): void {
  system = broker.system
}

type Created = { topic: string; type: string; eventId: string; traceparent: string | undefined }

/**
 * The creation context of each event: what its announcement or its transaction continues; and where spans are exported, that of a "create"
 * span, one for all that a call announces of one trace on one topic.
 */
export function creationContexts(tx: Pick<Transaction, 'origin' | 'traceparent'>, events: readonly Created[]): (string | null)[] {
  const parents = events.map(event => event.traceparent ?? tx.traceparent)
  if (!startSpan) return parents.map(parent => parent ?? null)
  const groups = Map.groupBy(events.keys(), index => `${events[index]!.topic} ${parents[index]}`)
  const contexts = new Array<string>(events.length)
  for (const indexes of groups.values()) {
    const first = events[indexes[0]!]!
    const span = startSpan(`create ${first.topic}`, {
      service: serviceOf(tx.origin.source),
      kind: 'producer',
      parent: parents[indexes[0]!],
      attributes: {
        ...operation('create', first.topic),
        ...(indexes.length === 1
          ? { ...idOf(first.eventId, tx.origin.source), 'cloudevents.event_type': first.type }
          : { 'messaging.batch.message_count': indexes.length })
      }
    })
    span.end()
    for (const index of indexes) contexts[index] = span.traceparent
  }
  return contexts
}

/** Has the broker publish a batch: a "send" span with a trace of its own, linked to where each event was created. */
export async function send(broker: Broker, source: string, messages: readonly Message[]): Promise<void> {
  const service = serviceOf(source)
  const span = startSpan && startSending(startSpan, service, messages)
  const started = performance.now()
  let outcome = 'accepted'
  try {
    await broker.publish(span ? messages.map(message => hopped(message, span)) : messages)
  } catch (error) {
    outcome = error instanceof MessagesRefused ? 'refused' : 'failed'
    span?.fail(errorTypeOf(error))
    throw error
  } finally {
    clientOperations.observe({ service, operation: 'send', outcome }, (performance.now() - started) / 1000)
    span?.end()
  }
}

function startSending(start: NonNullable<typeof startSpan>, service: string, messages: readonly Message[]): Span {
  const topics = [...new Set(messages.map(message => message.topic))]
  const only = messages.length === 1 ? messages[0]! : undefined
  return start(`send ${topics.length === 1 ? topics[0] : 'several topics'}`, {
    service,
    kind: 'client',
    links: messages.map(message => message.headers.ce_traceparent),
    attributes: {
      ...operation('send', topics.length === 1 ? topics[0] : undefined),
      ...(only ? attributesOf(only) : { 'messaging.batch.message_count': messages.length })
    }
  })
}

const hopped = (message: Message, { traceparent }: Span): Message => ({
  ...message,
  headers: { ...message.headers, traceparent }
})

/** Counts what the broker has accepted, how long each event took to get there, and those that came after a later one of their subject. */
export function countSent(service: string): (events: readonly LoggedEvent[]) => void {
  const inOrder = watchOrder(service)
  // Present from the start, so that the first failure is an increase.
  for (const outcome of ['accepted', 'refused', 'failed']) clientOperations.zero({ service, operation: 'send', outcome })
  return events => {
    const now = Date.now()
    for (const event of events) {
      publishedEvents.inc({ service, type: event.type })
      const announcedAt = Number.parseInt(event.event_id.slice(0, 8) + event.event_id.slice(9, 13), 16)
      publishDelays.observe({ service }, Math.max(now - announcedAt, 0) / 1000)
      inOrder(event)
    }
  }
}

/**
 * Runs the handling of a message as a "process" span: of the trace in which its event was created (`child`), or of its own (`link`), with a
 * link to that in both cases. Fails when the work throws, or when `countConsumed` is told within it.
 */
export function processing<Result>(
  consumer: { name: string; traces?: 'child' | 'link' },
  message: Message,
  work: () => Promise<Result>
): Promise<Result> {
  // A foreign publisher may know no more than the header of the hop.
  const created = message.headers.ce_traceparent ?? message.headers.traceparent
  if (!startSpan) return becauseOf(ofMessage(created), work)
  const span = startSpan(`process ${message.topic}`, {
    service: serviceOf(consumer.name),
    kind: 'consumer',
    parent: consumer.traces === 'link' ? undefined : created,
    links: [created],
    attributes: {
      ...operation('process', message.topic),
      'messaging.consumer.group.name': consumer.name,
      ...attributesOf(message)
    }
  })
  return within(span, async () => {
    try {
      return await work()
    } catch (error) {
      span.fail(errorTypeOf(error))
      throw error
    } finally {
      span.end()
    }
  })
}

/** Its context is made when something is called: most handling never does. */
function ofMessage(created: string | undefined): Cause {
  return {
    get traceparent() {
      return created && continueTrace(created)
    }
  }
}

/** How the handling of a message ended, for figures and the span that it is handled in. */
export function countConsumed(
  consumer: string,
  message: { type: string; outcome: string; ms?: number; happenedAt?: unknown; failure?: unknown }
): void {
  const { type, outcome, ms, happenedAt, failure } = message
  consumedEvents.inc({ consumer, type, outcome })
  if (ms !== undefined && outcome !== 'ignored') processDurations.observe({ consumer, type }, ms / 1000)
  if (outcome === 'applied' && typeof happenedAt === 'string') {
    const seconds = (Date.now() - Date.parse(happenedAt)) / 1000
    // Of another's clock, or of a foreign publisher that writes what it likes.
    if (seconds >= 0) criticalTimes.observe({ consumer }, seconds)
  }
  const span = currentSpan()
  span?.set({ 'messaging.outcome': outcome })
  if (failure !== undefined) span?.fail(typeof failure === 'string' ? outcome : errorTypeOf(failure))
}

/** The trace context in which a message is handled. */
export function contextOf({ headers }: Message): string | undefined {
  return currentSpan()?.traceparent ?? headers.ce_traceparent ?? headers.traceparent
}

function operation(name: 'create' | 'send' | 'process', destination: string | undefined) {
  return {
    'messaging.system': system,
    'messaging.operation.name': name,
    'messaging.operation.type': name,
    'messaging.destination.name': destination
  }
}

const idOf = (eventId: string, source: string | undefined) => ({
  'messaging.message.id': eventId,
  'cloudevents.event_id': eventId,
  'cloudevents.event_source': source
})

function attributesOf({ messageId, routingKey, headers, body }: Message) {
  return {
    ...idOf(headers.ce_id ?? messageId, headers.ce_source),
    'cloudevents.event_type': headers.ce_type,
    'cloudevents.event_subject': headers.ce_subject,
    'messaging.message.body.size': body.byteLength,
    ...(system === 'rabbitmq' ? { 'messaging.rabbitmq.destination.routing_key': routingKey } : {})
  }
}

/** `/product-service` and `product.order-events` → `product`. */
function serviceOf(text: string): string {
  return /^\/?(.+?)(?:-service|\..*)?$/.exec(text)?.[1] ?? text
}
