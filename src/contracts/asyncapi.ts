/** The AsyncAPI 3.0 document: topics, the events on them, and what the Product Service sends and receives. */
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
    asyncapi: '3.0.0',
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

- Events may gain properties: ignore those you do not know. Anything else is a new version, published beside the old one.
- Delivery is at least once: deduplicate by \`eventId\`.
- \`sequence\` counts within one subject: of two events with one subject the higher is the newer.
- Events with one key arrive in the order they were published.`

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
  const amqp = isOurs(event)
    ? { cc: [routingKey(event)], deliveryMode: 2, mandatory: true, bindingVersion: AMQP_BINDING }
    : { ack: true, bindingVersion: AMQP_BINDING }
  return [
    `${isOurs(event) ? 'send' : 'receive'}${event.type}${event.version === 1 ? '' : `V${event.version}`}`,
    {
      action: isOurs(event) ? 'send' : 'receive',
      channel: { $ref: channel },
      summary: event.summary,
      messages: [{ $ref: `${channel}/messages/${eventName(event)}` }],
      bindings: { amqp }
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
    traits: Object.keys(messageTraits).map(name => ({ $ref: `#/components/messageTraits/${name}` })),
    bindings: {
      kafka: { key: { type: 'string', description: `The value of \`${event.key}\`` }, bindingVersion: KAFKA_BINDING },
      amqp: { messageType: isOurs(event) ? routingKey(event) : event.type, bindingVersion: AMQP_BINDING }
    },
    'x-key': event.key,
    'x-subject': event.subject
  }
}

/** CloudEvents attributes and extensions: header values are strings. */
const attributes: Record<string, string> = {
  specversion: '1.0',
  id: 'The event’s `eventId`',
  source: 'The event’s `source`',
  type: 'The routing key, such as product.updated.v1',
  subject: 'What `sequence` counts within',
  time: 'When it was committed',
  dataschema: 'The schema of the body: /schemas/events/{eventType}/{eventVersion}',
  sequence: 'The event’s `sequence`, in 20 digits',
  partitionkey: 'The key',
  signature: 'A detached JWS (RFC 7797, EdDSA) over the exact body',
  traceparent: 'W3C trace context of what caused the event'
}

const headersNamed = (prefix: string): JsonObject => ({
  type: 'object',
  properties: Object.fromEntries(
    Object.entries(attributes).map(([name, description]) => [`${prefix}${name}`, { type: 'string', description }])
  )
})

const messageTraits: JsonObject = {
  cloudEventsOnKafka: { headers: headersNamed('ce_') },
  cloudEventsOnRabbitMq: { headers: headersNamed('cloudEvents_') }
}
