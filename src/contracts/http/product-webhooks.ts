/** Webhooks over HTTP: endpoints that events are delivered to, and what became of the deliveries. */
import { Type } from 'typebox'
import type { Operation } from '../define.ts'
import { closed, Id, page } from '../resources/primitives.ts'
import {
  CreateWebhookEndpoint,
  RotateWebhookSecret,
  UpdateWebhookEndpoint,
  WEBHOOK_ENDPOINTS_MAX,
  WEBHOOK_SECRETS_MAX,
  WebhookEndpoint,
  WebhookEndpointList,
  WebhookEndpointWithSecret
} from '../resources/webhook.ts'
import {
  RedeliveredWebhooks,
  RedeliverWebhooks,
  WebhookDeliveriesQuery,
  WebhookDelivery,
  WebhookDeliveryList,
  WebhookDeliveryWithAttempts
} from '../resources/webhook-delivery.ts'

const webhookEndpointId = Type.Object({ webhookEndpointId: Id('The endpoint') })
const webhookDeliveryId = Type.Object({ webhookDeliveryId: Id('The delivery') })

export const webhookOperations = {
  listWebhookEndpoints: {
    method: 'GET',
    path: '/v1/webhook-endpoints',
    tag: 'Webhooks',
    summary: 'List webhook endpoints, oldest first',
    description: 'One’s own; with `operations:read` those of everybody.',
    scope: 'webhooks:read',
    query: Type.Object({ ...page }, closed),
    reply: { status: 200, body: WebhookEndpointList, description: 'A page of endpoints' },
    problems: ['invalid-cursor']
  },
  createWebhookEndpoint: {
    method: 'POST',
    path: '/v1/webhook-endpoints',
    tag: 'Webhooks',
    summary: 'Have events delivered to an address',
    description: `Every event that is published from now on and matches is sent there by POST, at least once, as Standard Webhooks has it: the body
is the event, \`webhook-id\` its id, \`webhook-signature\` an HMAC with the secret (\`v1\`) and a signature with the service's own key (\`v1a\`,
of \`/.well-known/jwks.json\`). Only 2xx counts as delivered; redirects are not followed; 410 ends it. What fails is tried for three days.
The secret is in this answer and nowhere else. At most ${WEBHOOK_ENDPOINTS_MAX} endpoints of one owner.`,
    scope: 'webhooks:write',
    body: CreateWebhookEndpoint,
    reply: { status: 201, body: WebhookEndpointWithSecret, description: 'The endpoint, with its secret, shown once' },
    location: '/v1/webhook-endpoints/{webhookEndpointId}',
    problems: ['event-type-not-permitted', 'limit-reached'],
    shownOnce: ['secret'],
    conditional: true
  },
  getWebhookEndpoint: {
    method: 'GET',
    path: '/v1/webhook-endpoints/{webhookEndpointId}',
    tag: 'Webhooks',
    summary: 'Get a webhook endpoint, without its secrets',
    scope: 'webhooks:read',
    params: webhookEndpointId,
    reply: { status: 200, body: WebhookEndpoint, description: 'The endpoint' },
    conditional: true
  },
  updateWebhookEndpoint: {
    method: 'PATCH',
    path: '/v1/webhook-endpoints/{webhookEndpointId}',
    tag: 'Webhooks',
    summary: 'Change, disable or enable a webhook endpoint',
    description: 'With `operations:write` anybody’s may be disabled and enabled; the rest is its owner’s to change.',
    scope: 'webhooks:write',
    params: webhookEndpointId,
    body: UpdateWebhookEndpoint,
    reply: { status: 200, body: WebhookEndpoint, description: 'The endpoint as it is now' },
    problems: ['event-type-not-permitted', 'not-owner'],
    conditional: true
  },
  deleteWebhookEndpoint: {
    method: 'DELETE',
    path: '/v1/webhook-endpoints/{webhookEndpointId}',
    tag: 'Webhooks',
    summary: 'End a webhook endpoint for good, with what waits for it; nothing new is sent after a second',
    scope: 'webhooks:write',
    params: webhookEndpointId,
    reply: { status: 204, description: 'It is gone' },
    conditional: true
  },
  pingWebhookEndpoint: {
    method: 'POST',
    path: '/v1/webhook-endpoints/{webhookEndpointId}/ping',
    tag: 'Webhooks',
    summary: 'Have a WebhookPing delivered, to see whether an endpoint works',
    scope: 'webhooks:write',
    params: webhookEndpointId,
    reply: { status: 202, body: WebhookDelivery, description: 'The delivery; its `log` tells how it went' },
    location: '/v1/webhook-deliveries/{webhookDeliveryId}',
    problems: ['illegal-transition']
  },
  rotateWebhookSecret: {
    method: 'POST',
    path: '/v1/webhook-endpoints/{webhookEndpointId}/rotate-secret',
    tag: 'Webhooks',
    summary: 'Give a webhook endpoint a new secret; the one before signs as well for a while',
    description: `The secret is in this answer and nowhere else. At most ${WEBHOOK_SECRETS_MAX} sign at once: a third needs the end of one of them.`,
    scope: 'webhooks:write',
    params: webhookEndpointId,
    body: RotateWebhookSecret,
    reply: { status: 200, body: WebhookEndpointWithSecret, description: 'The endpoint with its new secret, shown once' },
    problems: ['illegal-transition', 'not-owner'],
    shownOnce: ['secret'],
    conditional: true
  },
  redeliverWebhooks: {
    method: 'POST',
    path: '/v1/webhook-endpoints/{webhookEndpointId}/redeliver',
    tag: 'Webhooks',
    summary: 'Have deliver what an endpoint missed, or all of a time again',
    description:
      'Goes through the event log as far as it is kept, some 20,000 events a call: those that match the endpoint and were not delivered, whether they were given up or came while it was disabled. Call until `next` is null.',
    scope: 'webhooks:write',
    params: webhookEndpointId,
    body: RedeliverWebhooks,
    reply: { status: 200, body: RedeliveredWebhooks, description: 'How many were asked for' },
    problems: ['illegal-transition', 'position-gone']
  },
  listWebhookDeliveries: {
    method: 'GET',
    path: '/v1/webhook-deliveries',
    tag: 'Webhooks',
    summary: 'List deliveries, newest first',
    scope: 'webhooks:read',
    query: WebhookDeliveriesQuery,
    reply: { status: 200, body: WebhookDeliveryList, description: 'A page of deliveries' },
    problems: ['invalid-cursor']
  },
  getWebhookDelivery: {
    method: 'GET',
    path: '/v1/webhook-deliveries/{webhookDeliveryId}',
    tag: 'Webhooks',
    summary: 'Get a delivery with its body and every try',
    scope: 'webhooks:read',
    params: webhookDeliveryId,
    reply: { status: 200, body: WebhookDeliveryWithAttempts, description: 'The delivery' }
  },
  redeliverWebhookDelivery: {
    method: 'POST',
    path: '/v1/webhook-deliveries/{webhookDeliveryId}/redeliver',
    tag: 'Webhooks',
    summary: 'Deliver once more, at once, whatever became of it before',
    description: 'With the same `webhook-id`, and the whole schedule of tries before it.',
    scope: 'webhooks:write',
    params: webhookDeliveryId,
    reply: { status: 202, body: WebhookDelivery, description: 'The delivery, pending' },
    problems: ['illegal-transition']
  }
} as const satisfies Record<string, Operation>
