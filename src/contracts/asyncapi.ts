/** The AsyncAPI 3.1 document: topics, the events on them, and what the Product Service sends and receives. */
import { events } from './catalogue.ts'
import type { EventContract, Topic } from './define.ts'
import { routingKey } from './envelope.ts'
import { eventName, eventPayload, isOurs } from './event-schema.ts'
import { type JsonObject, NamedSchemas } from './json-schema.ts'

const KAFKA_BINDING = '0.5.0'
const AMQP_BINDING = '0.3.0'

/** The document, from the Product Service's point of view. */
export function asyncApi(): JsonObject {
  const schemas = new NamedSchemas('#/components/schemas/')
  const messages = Object.fromEntries(events.map(event => [eventName(event), messageOf(event, schemas)]))
  const topics = Map.groupBy(events, event => event.topic)
  return {
    asyncapi: '3.1.0',
    info: {
      title: 'Product Service events',
      version: '1.0.0',
      description: rules,
      license: { name: 'Apache License 2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' }
    },
    defaultContentType: 'application/json',
    servers: {
      rabbitmq: { host: 'rabbitmq:5672', protocol: 'amqp', description: 'When BROKER_URL is amqp://' },
      kafka: { host: 'kafka:9092', protocol: 'kafka', description: 'When BROKER_URL is kafka://' }
    },
    channels: Object.fromEntries([...topics].map(([topic, found]) => [channelName(topic), channelOf(topic, found)])),
    operations: Object.fromEntries(events.map(operationOf)),
    components: { messages, messageTraits, schemas: schemas.all() }
  }
}

const rules = `Every event is one flat JSON object. The same attributes travel as CloudEvents 1.0 headers (binary mode).

- Events may gain properties, and open enumerations words: ignore those you do not know. Anything else is a new version, published beside the old one.
- Delivery is at least once: deduplicate by \`eventId\`.
- \`sequence\` counts within one subject: of two events with one subject the higher is the newer.
- Events with one key arrive in the order they were published.
- An event that is published in several versions has \`sameAs\` on all but the oldest: whoever reads several deduplicates by it.
- What others publish may be plain JSON without any header, or a CloudEvent in binary or in structured mode.`

function channelName(topic: Topic): string {
  return topic.replace(/\.(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function channelOf(topic: Topic, found: readonly EventContract[]): JsonObject {
  const names = found.map(eventName)
  return {
    address: topic,
    messages: Object.fromEntries(names.map(name => [name, { $ref: `#/components/messages/${name}` }])),
    bindings: {
      kafka: { topic, bindingVersion: KAFKA_BINDING },
      amqp: { is: 'routingKey', exchange: { name: topic, type: 'topic', durable: true, vhost: '/' }, bindingVersion: AMQP_BINDING }
    }
  }
}

/** One operation per event, so that each shows the routing key by which a queue can ask for it alone. */
function operationOf(event: EventContract): [string, JsonObject] {
  const channel = `#/channels/${channelName(event.topic)}`
  const own = isOurs(event)
  // What others publish is taken whatever its routing key: their queue is bound with `#`.
  const amqp = { cc: [own ? routingKey(event) : '#'], ...(own ? { deliveryMode: 2, mandatory: true } : { ack: true }) }
  return [
    `${own ? 'send' : 'receive'}${event.type}${event.version === 1 ? '' : `V${event.version}`}`,
    {
      action: own ? 'send' : 'receive',
      channel: { $ref: channel },
      summary: event.summary,
      messages: [{ $ref: `${channel}/messages/${eventName(event)}` }],
      bindings: { amqp: { ...amqp, bindingVersion: AMQP_BINDING } }
    }
  ]
}

function messageOf(event: EventContract, schemas: NamedSchemas): JsonObject {
  const payload = schemas.refer(eventPayload(event))
  return {
    name: event.type,
    title: eventName(event),
    summary: event.summary,
    contentType: 'application/json',
    payload,
    traits: traitsOf(event).map(name => ({ $ref: `#/components/messageTraits/${name}` })),
    bindings: {
      kafka: { key: { type: 'string', description: `The value of \`${event.key}\`` }, bindingVersion: KAFKA_BINDING },
      amqp: { messageType: isOurs(event) ? routingKey(event) : event.type, bindingVersion: AMQP_BINDING }
    },
    'x-key': event.key,
    'x-subject': event.subject
  }
}

/** CloudEvents attributes and extensions; header values are strings. Traits are merged, so that none can say what must be there. */
const attributes: Record<string, JsonObject> = {
  specversion: { const: '1.0', description: 'Always there' },
  id: { description: 'The event’s `eventId`. Always there' },
  source: { format: 'uri-reference', description: 'The event’s `source`. Always there' },
  type: { description: 'The routing key, such as product.updated.v1. Always there' },
  subject: { description: 'What `sequence` counts within' },
  time: { format: 'date-time', description: 'The event’s `timestamp`' },
  dataschema: { format: 'uri', description: 'Where the schema of the body is: …/schemas/events/{eventType}/{eventVersion}' },
  sequence: { description: 'The event’s `sequence`; ours in 20 digits, so that it compares as text' },
  partitionkey: { description: 'The key' },
  signature: { description: 'A detached JWS (RFC 7797, EdDSA) over the exact body' },
  traceparent: { description: 'W3C trace context of what caused the event' }
}

const contentType = (...types: string[]): JsonObject => ({ 'content-type': { type: 'string', enum: types } })

function headersNamed(prefix: string, more: JsonObject = {}): JsonObject {
  const named = Object.entries(attributes).map(([name, schema]) => [prefix + name, { type: 'string', ...schema }] as const)
  return { type: 'object', properties: { ...more, ...Object.fromEntries(named) } }
}

const json = 'application/json'
const messageTraits: JsonObject = {
  cloudEventsOnKafka: { headers: headersNamed('ce_', contentType(json)) },
  cloudEventsOnRabbitMq: { headers: headersNamed('cloudEvents_') },
  /** Of others' events, all of this may be missing: then the body says it. */
  acceptedOnKafka: { headers: headersNamed('ce_', contentType(json, 'application/cloudevents+json')) }
}

const traitsOf = (event: EventContract) => [isOurs(event) ? 'cloudEventsOnKafka' : 'acceptedOnKafka', 'cloudEventsOnRabbitMq']
