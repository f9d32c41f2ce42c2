/** Deliveries of webhooks: what goes where, and every try. */
import { type Static, Type } from 'typebox'
import { loggedTypes } from './logged-event.ts'
import { Instant } from './price.ts'
import { closed, extensible, Id, List, Nullable, page, Timestamp } from './primitives.ts'

/** How many bytes of an answer are kept, for whoever looks for what went wrong. */
export const WEBHOOK_RESPONSE_BYTES_MAX = 1024

/** The type of what a ping delivers: it is no event, and in no log. */
export const WEBHOOK_PING = 'WebhookPing'

const DeliveryStatus = Type.Union(
  [Type.Literal('pending'), Type.Literal('delivered'), Type.Literal('failed'), Type.Literal('cancelled')],
  {
    ...extensible,
    description: 'failed: every try of the schedule has failed. cancelled: the owner may not read such events any more'
  }
)

const delivery = {
  webhookDeliveryId: Id('The delivery'),
  webhookEndpointId: Id('Where it goes'),
  messageId: Id('`webhook-id`: the id of the event, the same over all tries and redeliveries. Receivers deduplicate by it'),
  eventType: Type.String(),
  key: Type.String({ description: 'What orders it, where the endpoint asks for that' }),
  status: DeliveryStatus,
  attempts: Type.Integer({ description: 'Tries so far' }),
  nextAttemptAt: Nullable(
    Type.String({ format: 'date-time', maxLength: 40, description: 'When it is tried next, at the earliest; null: not any more' })
  ),
  lastResponseStatus: Nullable(Type.Integer({ description: 'What the receiver answered last; null: nothing' })),
  lastError: Nullable(Type.String()),
  createdAt: Timestamp,
  completedAt: Nullable(Type.String({ format: 'date-time', maxLength: 40 }))
}

export const WebhookDelivery = Type.Object(delivery, { title: 'WebhookDelivery' })
export type WebhookDelivery = Static<typeof WebhookDelivery>

export const WebhookAttempt = Type.Object(
  {
    attempt: Type.Integer({ description: '1, 2, 3 …, over all redeliveries' }),
    at: Timestamp,
    durationMs: Type.Integer(),
    responseStatus: Nullable(Type.Integer({ description: 'null: there was no answer' })),
    error: Nullable(
      Type.String({
        description: 'Why it did not count: refused-address, unresolved, unreachable, tls, timeout, malformed-answer, or the status'
      })
    ),
    responseBody: Nullable(
      Type.String({ description: `The first ${WEBHOOK_RESPONSE_BYTES_MAX} bytes of the answer, of tries that failed` })
    )
  },
  { title: 'WebhookAttempt' }
)

export const WebhookDeliveryWithAttempts = Type.Object(
  {
    ...delivery,
    body: Nullable(Type.String({ description: 'Exactly what is sent; null to whoever may not read such events' })),
    log: Type.Array(WebhookAttempt, { description: 'Every try, the newest first, the last hundred of them' })
  },
  { title: 'WebhookDeliveryWithAttempts' }
)
export type WebhookDeliveryWithAttempts = Static<typeof WebhookDeliveryWithAttempts>

export const WebhookDeliveryList = List(WebhookDelivery, 'WebhookDeliveryList')

export const WebhookDeliveriesQuery = Type.Object(
  {
    ...page,
    webhookEndpointId: Type.Optional(Id('Only of this endpoint')),
    status: Type.Optional(
      Type.Union([Type.Literal('pending'), Type.Literal('delivered'), Type.Literal('failed'), Type.Literal('cancelled')])
    ),
    eventType: Type.Optional(Type.Enum([WEBHOOK_PING, ...loggedTypes], { type: 'string' }))
  },
  closed
)

export const RedeliverWebhooks = Type.Object(
  {
    from: Instant('What was published from then on'),
    to: Type.Optional(Instant('What was published until then; without it, until now')),
    delivered: Type.Optional(
      Type.Boolean({ default: false, description: 'Again what was delivered already, too; without it only what was not' })
    ),
    after: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        format: 'int64',
        description: 'Go on after this position: `next` of the reply before'
      })
    ),
    dryRun: Type.Optional(Type.Boolean({ default: false, description: 'Say how many it would be, and do nothing' }))
  },
  { ...closed, title: 'RedeliverWebhooks' }
)

export const RedeliveredWebhooks = Type.Object(
  {
    redelivered: Type.Integer({ description: 'Deliveries that were asked for: of events that match the endpoint as it is now' }),
    dryRun: Type.Boolean(),
    next: Nullable(
      Type.Integer({ description: 'So far the log was looked through: call again with it as `after`; null when there is no more' })
    )
  },
  { title: 'RedeliveredWebhooks' }
)

/** What a ping delivers. */
const WebhookPing = Type.Object(
  {
    eventId: Type.String(),
    eventType: Type.Literal(WEBHOOK_PING),
    eventVersion: Type.Literal(1),
    source: Type.String(),
    webhookEndpointId: Id('The endpoint'),
    timestamp: Timestamp
  },
  { title: 'WebhookPing' }
)
export type WebhookPing = Static<typeof WebhookPing>
