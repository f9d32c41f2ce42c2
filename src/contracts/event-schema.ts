/** The JSON Schema of an event, for whoever reads or writes it: standing alone, and open to properties that come later. */
import type { EventContract } from './define.ts'
import { acceptedEvent, publishedEvent, routingKey } from './envelope.ts'
import { type JsonObject, NamedSchemas, openContent, plainSchema } from './json-schema.ts'

/** Whether the Product Service publishes it; what others publish it only reads. */
export function isOurs(event: EventContract): boolean {
  return event.topic === 'product.events'
}

/** `ProductCreated.v1`: the name of an event and its version. */
export function eventName(event: EventContract): string {
  return `${event.type}.v${event.version}`
}

/** `product-created.v1.json`: what files about a version of an event are called. */
export function eventFile(event: EventContract): string {
  return `${routingKey(event).replace(/[._](?!v\d+$)/g, '-')}.json`
}

/** Where a service serves the schema, and its `$id`. */
export function eventSchemaPath(event: { type: string; version: number | string }): string {
  return `/schemas/events/${event.type}/${event.version}`
}

/** What is promised about our own events; what is enough of others' events. Plain, with everything in place. */
export function eventPayload(event: EventContract): JsonObject {
  const payload = openContent(plainSchema(isOurs(event) ? publishedEvent(event) : acceptedEvent(event)))
  return { ...payload, title: eventName(event), description: event.summary }
}

/** The schema as a document of its own. */
export function eventSchema(event: EventContract): JsonObject {
  const definitions = new NamedSchemas('#/$defs/')
  const payload = definitions.referInside(eventPayload(event))
  const $defs = definitions.all()
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: eventSchemaPath(event),
    ...payload,
    ...(Object.keys($defs).length > 0 ? { $defs } : {})
  }
}
