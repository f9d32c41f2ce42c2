/** One try of one delivery: signed at that moment, sent, and judged by the answer. */

import { WEBHOOK_RESPONSE_BYTES_MAX } from '#contracts/resources/webhook-delivery.ts'
import type { EgressReply } from '#platform/egress/egress.ts'
import { type Egress, EgressFailed } from '#platform/egress/egress.ts'
import { failpoint } from '#platform/failpoint.ts'
import type { CurrentKey } from '#platform/signing/signing.ts'
import { signWebhook } from '#platform/signing/standard-webhooks.ts'
import type { Due } from './delivery-lane.ts'
import { type Answer, type Outcome, outcomeOf, retryAfterMs } from './delivery-outcome.ts'
import type { LiveEndpoint } from './live-endpoints.ts'
import type { WebhookSecret } from './webhook-secrets.ts'

export type Sending = {
  egress: Egress
  currentKey: CurrentKey
  baseUrl: string
  timeoutMs: number
  delaysMs: readonly number[]
  signal: AbortSignal
}

/** A try that has ended, as it is recorded. */
export type Tried = {
  due: Due
  at: Date
  durationMs: number
  responseStatus: number | null
  responseBody: string | null
  outcome: Outcome
}

const USER_AGENT = 'ProductService-Webhooks/1'

/** Rejects only when the signal ends it: nobody knows then whether it has arrived. */
export async function attemptDelivery(
  { egress, currentKey, baseUrl, timeoutMs, delaysMs, signal }: Sending,
  endpoint: LiveEndpoint,
  secrets: readonly WebhookSecret[],
  due: Due
): Promise<Tried> {
  const at = new Date()
  const started = performance.now()
  const good = secrets.filter(({ endsAtMs }) => endsAtMs > at.getTime()).map(({ secret }) => secret)
  const { key } = await currentKey()
  const signature = await signWebhook(
    { id: due.message_id, at: Math.floor(at.getTime() / 1000), body: due.body },
    { secrets: good, key }
  )
  const headers = { 'content-type': 'application/json', 'user-agent': USER_AGENT, ...attributesOf(due, baseUrl), ...signature }
  await failpoint('webhooks.before-send')
  const answer = await egress
    .post(endpoint.url, { headers, body: due.body, timeoutMs, signal, sender: endpoint.webhook_endpoint_id })
    .catch((error: unknown) => {
      if (error instanceof EgressFailed) return error
      throw error
    })
  await failpoint('webhooks.after-send')
  const isReply = !(answer instanceof EgressFailed)
  const judged: Answer = isReply
    ? { status: answer.status, retryAfterMs: retryAfterMs(answer.headers['retry-after'], Date.now()) }
    : { failure: answer.failure }
  const outcome = outcomeOf(judged, due.attempts - due.attempts_before + 1, delaysMs, Math.random())
  return {
    ...{ due, at, durationMs: Math.round(performance.now() - started), outcome },
    responseStatus: isReply ? answer.status : null,
    responseBody: isReply && outcome.status !== 'delivered' ? beginningOf(answer) : null
  }
}

/** A CloudEvent's schema is named by an absolute address. */
function attributesOf({ headers }: Due, baseUrl: string): Record<string, string> {
  const schema = headers['ce-dataschema']
  return schema ? { ...headers, 'ce-dataschema': baseUrl + schema } : headers
}

/** For whoever owns the endpoint, and as text: PostgreSQL takes no zero character. */
function beginningOf({ body }: EgressReply): string {
  const bytes = Buffer.from(body).subarray(0, WEBHOOK_RESPONSE_BYTES_MAX)
  return new TextDecoder().decode(bytes).replaceAll('\u0000', '\ufffd')
}
