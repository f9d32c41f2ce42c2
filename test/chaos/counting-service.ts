/** The counters as a service: what its parts do is what those of every service do. */
import { Type } from 'typebox'
import type { Broker } from '#broker/broker.ts'
import { defineApi } from '#contracts/define.ts'
import { allScopes } from '#contracts/scopes.ts'
import { readConfig } from '#platform/config.ts'
import { type Input, write } from '#platform/http/handlers.ts'
import { on } from '#platform/messaging/consumer.ts'
import { defineService, type OpenService, openService } from '#platform/service.ts'
import { counterMoved, follow, migrating, move, quiet } from './counting.ts'
import type { ProcessOptions } from './supervised.ts'

const api = defineApi({
  service: migrating.name,
  title: 'Counters',
  version: '1.0.0',
  description: 'Counters that are moved.',
  operations: {
    moveCounter: {
      method: 'POST',
      path: '/v1/counters/{key}/moves',
      tag: 'Counters',
      summary: 'Move a counter',
      scope: 'catalog:write',
      params: Type.Object({ key: Type.String({ maxLength: 100 }) }),
      body: Type.Object({ attempt: Type.String({ maxLength: 100 }) }, { additionalProperties: false }),
      reply: { status: 200, body: Type.Object({ n: Type.Integer() }), description: 'How often it was moved' },
      idempotency: 'required'
    }
  }
})

/** Everybody may do everything. Events are signed, and signatures required where there is a key set to look into. */
export function openCountingService(options: ProcessOptions, broker: Broker): Promise<OpenService> {
  const { topic, subscription, databaseUrl, keySetUrl, retryDelaysMs = [100, 200, 400] } = options
  const event = counterMoved(topic)
  const service = defineService({
    ...migrating,
    api,
    handlers: {
      moveCounter: write(async (tx, { params, body }: Input<typeof api.operations.moveCounter>) => ({
        n: await move(tx, event, params.key, body.attempt)
      }))
    },
    consumers: { [subscription]: [on(event, follow)] },
    timers: []
  })
  const actor = { issuer: 'chaos', subject: 'somebody', clientId: 'chaos', scopes: new Set<string>(allScopes) }
  const config = readConfig({
    ...{ NODE_ENV: 'test', LOG_LEVEL: 'silent', LOG_FORMAT: 'json', PORT: '0' },
    CONSUMER_RETRY_DELAYS_MS: retryDelaysMs.join(',')
  })
  // The settings know the topics of real services only.
  const trust = keySetUrl
    ? { EVENT_SIGNATURES: `${topic}=require`, EVENT_SOURCES: `/${migrating.name}-service@${topic}=${keySetUrl}` }
    : { EVENT_SIGNATURES: `${topic}=off` }
  return openService(service, {
    config: { ...config, ...trust },
    log: quiet,
    databaseUrl,
    broker,
    authenticator: { authenticate: () => actor },
    baseUrl: 'http://localhost:8080'
  })
}
