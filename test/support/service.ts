/**
 * One service on a database of its own, for tests: requests go over real HTTP, events are handed to its consumers as a broker would,
 * and what it announces is read from its outbox.
 */
import { randomUUID } from 'node:crypto'
import type { Broker, Subscription, Verdict } from '#broker/broker.ts'
import type { EventContract } from '#contracts/define.ts'
import { Problem } from '#contracts/problems.ts'
import { allScopes } from '#contracts/scopes.ts'
import { readConfig } from '#platform/config.ts'
import type { Authenticator } from '#platform/identity/actor.ts'
import type { AskUser } from '#platform/identity/known-users.ts'
import { openLog } from '#platform/log.ts'
import { type Database, openDatabase } from '#platform/postgres/database.ts'
import { openService, type Part, type Service } from '#platform/service.ts'
import { createTestDatabase } from './postgres.ts'

// biome-ignore lint/suspicious/noExplicitAny: a test says by its assertions what it expects.
type Json = any

export type Reply = { status: number; headers: Headers; body: Json }

export interface RunningService extends AsyncDisposable {
  readonly url: string
  /** As the service's own role, with its search path. */
  readonly database: Database
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>
  /** Hands an event to every consumer of its topic. `data` may carry any envelope property. */
  deliver(event: Pick<EventContract, 'type' | 'topic' | 'key'>, data: Record<string, unknown>): Promise<Verdict[]>
  /** The bodies of the events announced so far, in order. */
  announced(): Promise<Json[]>
}

/** Lets in `Bearer anybody` with every scope, `Bearer anybody catalog:read` with those that it names, `Bearer anybody as=u-1` for a user. */
export const trusting: Authenticator = {
  authenticate({ authorization }) {
    const [, clientId, ...words] = authorization?.split(' ') ?? []
    if (!clientId) throw new Problem('unauthenticated')
    const [userId] = words.flatMap(word => (word.startsWith('as=') ? [word.slice(3)] : []))
    const scopes = words.filter(word => !word.startsWith('as='))
    const granted = new Set<string>(scopes.length > 0 ? scopes : allScopes)
    return { subject: userId ?? clientId, clientId, issuer: 'test', scopes: granted, ...(userId === undefined ? {} : { userId }) }
  }
}

/**
 * With `askUser`, users are asked about; without it, who acts for one is bound by the token only. `parts` run beside its API and consumers.
 */
export async function runService(
  service: Service,
  settings: Record<string, string> = {},
  { askUser, parts = [] }: { askUser?: AskUser; parts?: readonly Part[] } = {}
): Promise<RunningService> {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await createTestDatabase())
  // What `deliver` hands over is signed by nobody.
  const EVENT_SIGNATURES = 'product.events=off,order.events=off,user.events=off'
  const config = readConfig({ NODE_ENV: 'test', LOG_LEVEL: 'error', LOG_FORMAT: 'json', PORT: '0', EVENT_SIGNATURES, ...settings })
  const log = openLog(config)
  const subscriptions: Subscription[] = []
  const broker: Broker = {
    system: 'postgresql',
    publish: async () => {},
    async subscribe(subscription) {
      subscriptions.push(subscription)
      return { [Symbol.asyncDispose]: async () => {} }
    },
    [Symbol.asyncDispose]: async () => {}
  }
  const baseUrl = 'http://localhost:8080'
  const opened = stack.use(
    await openService(service, {
      config,
      log,
      databaseUrl: database.url,
      broker,
      authenticator: trusting,
      askUser,
      urls: {},
      baseUrl
    })
  )
  const { url } = stack.use(await opened.start('api', { port: 0 })) as { url: string } & AsyncDisposable
  stack.use(await opened.start('consumers', { port: 0 }))
  for (const part of parts) stack.use(await opened.start(part, { port: 0 }))
  const observer = stack.use(openDatabase({ url: database.url, schema: service.name, poolSize: 2, log }))
  const held = stack.move()

  return {
    url,
    database: observer,
    async request(method, path, body, headers = {}) {
      const json = body === undefined ? {} : { 'content-type': 'application/json' }
      const response = await fetch(url + path, {
        method,
        headers: { authorization: 'Bearer anybody', ...json, ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) })
      })
      const text = await response.text()
      const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '')
      return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
    },
    deliver(event, data) {
      const body = { eventId: randomUUID(), eventType: event.type, sequence: 1, timestamp: new Date().toISOString(), ...data }
      const delivery = {
        topic: event.topic,
        key: String(data[event.key]),
        messageId: body.eventId,
        routingKey: '',
        headers: {},
        body: Buffer.from(JSON.stringify(body)),
        position: 'test'
      }
      const concerned = subscriptions.filter(({ topics }) => topics.includes(event.topic))
      return Promise.all(concerned.map(subscription => subscription.handle(delivery)))
    },
    async announced() {
      const rows = await observer.query<{ body: string }>('select body from outbox order by seq')
      return rows.map(({ body }) => JSON.parse(body))
    },
    [Symbol.asyncDispose]: () => held.disposeAsync()
  }
}
