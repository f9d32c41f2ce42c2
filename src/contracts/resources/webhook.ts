/** Webhooks: where events are to be delivered. What became of each is in webhook-delivery.ts. */
import { type Static, Type } from 'typebox'
import { EVERY_TYPE } from '../define.ts'
import { LiveSecret } from './live-secret.ts'
import { loggedTypes } from './logged-event.ts'
import { Instant } from './price.ts'
import { closed, extensible, Id, Line, List, Nullable, Timestamp, Version } from './primitives.ts'

/** Secrets of an endpoint that are good at once, while one is exchanged for another. */
export const WEBHOOK_SECRETS_MAX = 2

/** Endpoints of one owner. */
export const WEBHOOK_ENDPOINTS_MAX = 100

const DestinationUrl = Type.String({
  minLength: 1,
  maxLength: 2048,
  description:
    'Where to deliver: https, on port 443 or 8443, at a public address; no user information, no fragment. Kept and shown in its normal form'
})

const EventTypes = Type.Array(Type.Enum([EVERY_TYPE, ...loggedTypes], { type: 'string' }), {
  minItems: 1,
  maxItems: loggedTypes.length,
  uniqueItems: true,
  description: `Which events are delivered: types that the owner may read, or ${EVERY_TYPE} alone for all of these, also those that come later`
})

const Filter = Type.Record(
  Type.String({ pattern: '^[a-zA-Z][a-zA-Z0-9]{0,63}$' }),
  Type.Array(Type.Union([Type.String({ maxLength: 200 }), Type.Number(), Type.Boolean()]), { minItems: 1, maxItems: 100 }),
  {
    maxProperties: 10,
    additionalProperties: false,
    description:
      'Property of the event → the values of which it must have one; all properties must match. {"productId": ["…"], "currency": ["EUR"]}'
  }
)

const Ordering = Type.Union([Type.Literal('none'), Type.Literal('key')], {
  description:
    'key: what is about one product, order or category is delivered in order, each after the one before was delivered or given up. none: what fails delays nothing else'
})

const settings = {
  url: DestinationUrl,
  description: Type.Optional(Nullable(Line(200, 'What it is for'))),
  eventTypes: EventTypes,
  filter: Type.Optional(Nullable(Filter)),
  ordering: Type.Optional(Ordering),
  inFlightMax: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 50, default: 5, description: 'Deliveries under way at once, at most' })
  ),
  requestsPerSecond: Type.Optional(
    Nullable(
      Type.Integer({ minimum: 1, maximum: 1000, description: 'Deliveries begun in a second, at most; null: as many as there are' })
    )
  )
}

export const CreateWebhookEndpoint = Type.Object(settings, { ...closed, title: 'CreateWebhookEndpoint' })

export const UpdateWebhookEndpoint = Type.Object(
  {
    ...settings,
    url: Type.Optional(DestinationUrl),
    eventTypes: Type.Optional(EventTypes),
    status: Type.Optional(
      Type.Union([Type.Literal('enabled'), Type.Literal('disabled')], {
        description: 'Enabling it goes on with what waits, and with events from then on: see redeliver for those between'
      })
    )
  },
  { ...closed, title: 'UpdateWebhookEndpoint' }
)

const WebhookSecret = LiveSecret('Until when it signs; null: until it is exchanged', {
  title: 'WebhookSecret',
  description: 'One of the secrets that sign now: when it is from, never what it is'
})

const endpoint = {
  webhookEndpointId: Id('The endpoint'),
  url: Type.String({ description: 'Where to deliver' }),
  description: Nullable(Type.String()),
  eventTypes: Type.Array(Type.String()),
  filter: Nullable(Type.Record(Type.String(), Type.Array(Type.Union([Type.String(), Type.Number(), Type.Boolean()])))),
  ordering: Type.Union([Type.Literal('none'), Type.Literal('key')], extensible),
  inFlightMax: Type.Integer(),
  requestsPerSecond: Nullable(Type.Integer()),
  status: Type.Union([Type.Literal('enabled'), Type.Literal('disabled')], extensible),
  disabledReason: Nullable(
    Type.Union([Type.Literal('by-request'), Type.Literal('gone'), Type.Literal('failing'), Type.Literal('owner-ended')], {
      ...extensible,
      description:
        'gone: it answered 410. failing: nothing was delivered for WEBHOOK_DISABLE_AFTER_HOURS. owner-ended: the API key was taken back or has expired, or the user may no longer have webhooks'
    })
  ),
  disabledAt: Nullable(Type.String({ format: 'date-time', maxLength: 40 })),
  failingSince: Nullable(
    Type.String({
      format: 'date-time',
      maxLength: 40,
      description: 'Since when every delivery has failed; null: the last one did not'
    })
  ),
  secrets: Type.Array(WebhookSecret, { description: 'The secrets that sign now, the oldest first' }),
  createdBy: Type.String({ description: 'The subject of its owner' }),
  version: Version,
  createdAt: Timestamp,
  updatedAt: Timestamp
}

export const WebhookEndpoint = Type.Object(endpoint, { title: 'WebhookEndpoint' })
export type WebhookEndpoint = Static<typeof WebhookEndpoint>

export const WebhookEndpointWithSecret = Type.Object(
  {
    ...endpoint,
    secret: Nullable(
      Type.String({
        description:
          'whsec_ and the key of the HMAC in base64: what the receiver verifies with. Told in the first answer only: null in the answer to a repetition of the request'
      })
    )
  },
  { title: 'WebhookEndpointWithSecret' }
)
export type WebhookEndpointWithSecret = Static<typeof WebhookEndpointWithSecret>

export const RotateWebhookSecret = Type.Object(
  {
    previousEndsAt: Type.Optional(
      Instant(
        'Until when the secret that there was before signs as well; a time that is past: not at all. Without it 24 hours from now'
      )
    )
  },
  { ...closed, title: 'RotateWebhookSecret' }
)

export const WebhookEndpointList = List(WebhookEndpoint, 'WebhookEndpointList')
