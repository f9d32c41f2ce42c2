/**
 * Which consumer may read which events and publish which: the reference services, and what everyone may read. The operator adds to it and
 * changes it with EVENT_CONSUMERS. The feed, and the rules of every broker (`npm run permissions`), are made from the same data.
 */
import { type Static, Type } from 'typebox'
import { events } from './catalogue.ts'
import { EVERY_TYPE, type Topic } from './define.ts'
import type { Scope } from './scopes.ts'

const typesByTopic = Map.groupBy(events, event => event.topic)

/** Every topic there is. */
export const topics = [...typesByTopic.keys()]

const Types = (topic: Topic) => {
  const types = [...new Set(typesByTopic.get(topic)!.map(({ type }) => type))]
  return Type.Array(Type.Enum([EVERY_TYPE, ...types], { type: 'string' }), { minItems: 1, uniqueItems: true })
}

const TypesByTopic = Type.Object(Object.fromEntries(topics.map(topic => [topic, Type.Optional(Types(topic))])), {
  additionalProperties: false
})

const EventConsumer = Type.Object(
  {
    clients: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
        maxItems: 100,
        description: 'Who acts for it over HTTP: the client_id of tokens, or api-key: and the id of an API key'
      })
    ),
    user: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
        description: 'Who it is to the broker; without it, it has no way there'
      })
    ),
    driver: Type.Optional(
      Type.Boolean({ description: 'It is made of this repository, and declares the topics, queues and dead letters that it needs' })
    ),
    reads: Type.Optional(TypesByTopic),
    publishes: Type.Optional(Type.Array(Type.Enum(topics, { type: 'string' }), { uniqueItems: true }))
  },
  { title: 'EventConsumer', additionalProperties: false }
)

type TypesOfTopics = { readonly [On in Topic]?: readonly string[] }

/** By its name, with which its queues and consumer groups begin: `crm`, `crm.mailing`. */
export type EventConsumer = Omit<Static<typeof EventConsumer>, 'clients' | 'reads' | 'publishes'> & {
  clients?: readonly string[]
  reads?: TypesOfTopics
  publishes?: readonly Topic[]
}

/** What EVENT_CONSUMERS may say: a consumer stands in place of ours of that name, and null takes ours away. */
export const EventConsumersSetting = Type.Object(
  {
    everyone: Type.Optional(Type.Union([Types('product.events'), Type.Array(Type.String(), { maxItems: 0 })])),
    consumers: Type.Optional(
      // RabbitMQ keeps names that begin with `amq.` for itself.
      Type.Record(Type.String({ pattern: '^(?!amq$)[a-z][a-z0-9-]{0,62}$' }), Type.Union([EventConsumer, Type.Null()]), {
        additionalProperties: false
      })
    )
  },
  { additionalProperties: false }
)

export const eventConsumers: Readonly<Record<string, EventConsumer>> = {
  product: {
    user: 'product',
    driver: true,
    reads: { 'order.events': ['*'], 'user.events': ['*'] },
    publishes: ['product.events']
  },
  order: {
    clients: ['order-service'],
    user: 'order',
    driver: true,
    reads: { 'product.events': ['*'], 'user.events': ['*'] },
    publishes: ['order.events']
  },
  user: { user: 'user', driver: true, publishes: ['user.events'] },
  search: { user: 'search', driver: true, reads: { 'product.events': ['*'], 'user.events': ['*'] } }
}

/** What a client reads that belongs to no consumer: what is sold at which price, and nothing of orders, stock, people or imports. */
export const everyoneReads: readonly string[] = [
  'ProductCreated',
  'ProductUpdated',
  'ProductArchived',
  'ProductDeleted',
  'VariantCreated',
  'VariantUpdated',
  'VariantDeleted',
  'CategoryCreated',
  'CategoryUpdated',
  'CategoryDeleted',
  'PriceUpdated'
]

/** A client that belongs to no consumer reads every event with it: whoever sees dead letters sees the bodies of any. */
export const readsEverything: Scope = 'operations:read'
