/**
 * What every event carries beside its own properties: one flat JSON object in the style of the specification's examples.
 * The same attributes travel as CloudEvents 1.0 binary-mode headers (see platform/messaging/cloudevents.ts).
 */
import { type Static, type TObject, Type } from 'typebox'
import type { EventContract } from './define.ts'
import { Timestamp } from './resources/primitives.ts'

const shared = {
  eventVersion: Type.Integer({ minimum: 1, description: 'The major version of the schema; absent means 1' }),
  source: Type.String({ maxLength: 200, description: 'The service that published it, such as /product-service' }),
  sequence: Type.Integer({ minimum: 1, description: 'Counts within one subject; compare only within one subject' }),
  timestamp: Timestamp
}

const sameAs = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 100,
    description:
      'Of an event that is published in several versions, on all but the oldest: the `eventId` of the oldest. Who reads several versions deduplicates by it'
  })
)

/** The schema of an event as we publish it: every envelope property is there. */
export function publishedEvent(event: EventContract): TObject {
  return Type.Object(
    {
      eventId: Type.String({ minLength: 1, maxLength: 100, description: 'The same over retries and replays: deduplicate by it' }),
      eventType: Type.Literal(event.type),
      ...shared,
      eventVersion: Type.Literal(event.version),
      sameAs,
      ...event.data.properties
    },
    { title: `${event.type}.v${event.version}`, description: event.summary, additionalProperties: true }
  )
}

/**
 * The schema of an event as we accept it from others: what the specification's example shows is enough. An event without
 * `eventId` is deduplicated by its content. Unknown properties are ignored, so that publishers can add to it.
 */
export function acceptedEvent(event: EventContract): TObject {
  return Type.Object(
    {
      eventId: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
      eventType: Type.Literal(event.type),
      ...Object.fromEntries(Object.entries(shared).map(([name, schema]) => [name, Type.Optional(schema)])),
      timestamp: Type.String({ format: 'date-time', maxLength: 40 }),
      sameAs,
      ...event.data.properties
    },
    { title: `${event.type}.v${event.version} as accepted`, additionalProperties: true }
  )
}

/** The envelope's properties, for those who handle any event. */
export type Envelope = {
  eventId: string
  eventType: string
  eventVersion: number
  source: string
  sequence: number
  timestamp: string
  sameAs?: string
}

/** The names that an event's own properties cannot have. */
export const envelopeNames = ['eventId', 'eventType', 'eventVersion', 'source', 'sequence', 'timestamp', 'sameAs'] as const

/** An event as a behaviour receives it: envelope and data in one flat object. */
export type EventOf<Event> = Event extends EventContract<infer Data> ? Envelope & Static<Data> : never

/** The name that routing by pattern uses: `ProductUpdated` version 1 is `product.updated.v1`. */
export function routingKey(event: Pick<EventContract, 'type' | 'version'>): string {
  const words = event.type
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(' ')
  return `${words[0]}.${words.slice(1).join('_')}.v${event.version}`
}

/** The subject that `sequence` counts within: `stock-level/0190…/0190…`. What is null stands there as `*`: any. */
export function subjectOf(event: EventContract, data: Record<string, unknown>): string {
  return event.subject.replace(/\{(\w+)\}/g, (_, property: string) => String(data[property] ?? '*'))
}
