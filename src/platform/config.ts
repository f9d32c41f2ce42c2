/**
 * Every setting there is: name, default, meaning. The only reader of `process.env`. `.env.example` and
 * docs/reference/configuration.md are generated from this table by `npm run contracts`.
 */
import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { type Static, Type } from 'typebox'
import { unsafeInProduction } from './config-production.ts'
import { edgeSettings, faultsOfEdge } from './http/edge-settings.ts'
import { faultsOfIssuers, issuerSettings } from './identity/issuer-settings.ts'
import { faultsOfConsumers } from './messaging/event-permissions.ts'
import { faultsOfTrust } from './messaging/event-sources.ts'
import { count, DELAYS_MS, optional } from './setting-kinds.ts'
import { faultsOfPem, faultsOfTls } from './tls/tls.ts'
import { tlsSettings } from './tls/tls-settings.ts'
import { webhookSettings } from './webhook-settings.ts'

const port = (fallback: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: fallback, description })
const KEY_VALUES = '^[^=,]+=[^,]*(,[^=,]+=[^,]*)*$'

export const settings = Type.Object({
  NODE_ENV: Type.Union([Type.Literal('development'), Type.Literal('test'), Type.Literal('production')], {
    default: 'development',
    description: 'In production the development issuer, its clients and the embedded database are refused'
  }),
  HOST: Type.String({ default: '127.0.0.1', description: 'The address to listen on' }),
  PORT: port(8080, 'Where the gateway listens, or a service that runs as a role of its own; 0 takes a free port'),
  PUBLIC_URL: optional(
    'Where others reach the gateway, for addresses that we hand out: https://shop.example; without it http://localhost:PORT'
  ),
  ...tlsSettings,
  ...edgeSettings,
  DATA_DIR: Type.String({ default: '.data', minLength: 1, description: 'Where the embedded PostgreSQL keeps its data' }),
  DATABASE_URL: optional('PostgreSQL 18 with the right to create schemas and roles; without it an embedded one is started'),
  BROKER_URL: optional(
    'postgres://…, amqp://… or kafka://host:port,host:port; amqps:// and kafkas:// with TLS; without it the database carries the messages too'
  ),
  BROKER_USERNAME: optional('Who we are to the broker, where BROKER_URL does not say it'),
  BROKER_PASSWORD: optional('Its password; better as BROKER_PASSWORD_FILE than in BROKER_URL'),
  BROKER_SASL_MECHANISM: Type.Union([Type.Literal('PLAIN'), Type.Literal('SCRAM-SHA-256'), Type.Literal('SCRAM-SHA-512')], {
    default: 'SCRAM-SHA-512',
    description: 'How Kafka is told who we are, where there is a user name'
  }),
  BROKER_TLS_CA: optional("PEM of the authority of the broker's certificate, beside the system's; usually as BROKER_TLS_CA_FILE"),
  BROKER_TLS_CERT: optional('PEM of our own certificate, where the broker asks for one; usually as BROKER_TLS_CERT_FILE'),
  BROKER_TLS_KEY: optional('PEM of the key of our own certificate; usually as BROKER_TLS_KEY_FILE'),
  DATABASE_POOL_SIZE: count(10, 'Connections that a service opens for requests, at most'),
  LOG_LEVEL: Type.String({
    enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    default: 'info',
    description: 'info logs what changed something, failed or was slow; debug logs every request'
  }),
  LOG_FORMAT: Type.Union([Type.Literal('json'), Type.Literal('pretty'), Type.Literal('auto')], {
    default: 'auto',
    description: 'auto: pretty on a terminal, one JSON object a line elsewhere'
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
    Type.String({
      pattern: '^https?://[^/]',
      description: 'Where traces go, such as http://localhost:4318: OTLP over HTTP, /v1/traces below it; without it none are made'
    })
  ),
  OTEL_EXPORTER_OTLP_HEADERS: Type.Optional(
    Type.String({
      pattern: KEY_VALUES,
      description: 'What the collector asks for, as key=value,key=value; usually as OTEL_EXPORTER_OTLP_HEADERS_FILE'
    })
  ),
  OTEL_RESOURCE_ATTRIBUTES: Type.Optional(
    Type.String({ pattern: KEY_VALUES, description: 'What all spans say of where they are from: deployment.environment.name=live' })
  ),
  OTEL_TRACES_SAMPLER_ARG: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 1,
    description: 'The share of traces begun here that are sent; a trace that a caller began is sent if its caller sends it'
  }),
  TRACE_CONSUMERS: Type.Union([Type.Literal('child'), Type.Literal('link')], {
    default: 'child',
    description:
      'child: what consumes an event belongs to the trace that announced it; link: to one of its own, which links to that'
  }),
  PRODUCT_SERVICE_URL: optional('Where others find the Product Service, with its version prefix: http://product:8080/v1'),
  ORDER_SERVICE_URL: optional('Where others find the Order Service, with its version prefix'),
  USER_SERVICE_URL: optional('Where others find the User Service, with its version prefix'),
  SEARCH_SERVICE_URL: optional('Where others find the Search Service, with its version prefix'),
  ...issuerSettings,
  TOKEN_URL: optional('Where services get tokens for asking each other; in development the development issuer’s'),
  CLIENT_ID: optional('Who a service is when it asks another; in development a client that the development issuer knows'),
  CLIENT_SECRET: optional('Its secret; usually as CLIENT_SECRET_FILE'),
  API_KEY_ENVIRONMENT: Type.Optional(
    Type.String({
      pattern: '^[a-z0-9]{1,16}$',
      description:
        'The word in the API keys that are given out, psk_live_…; a key with another one is refused. Without it live in production, dev in development, test in tests'
    })
  ),
  USER_CHECKS: Type.Optional(
    Type.Union([Type.Literal('require'), Type.Literal('off')], {
      description:
        'Whether who acts for a user may only do what the user may now, as the User Service says; off: a token is believed. Without it require where USER_SERVICE_URL is set, and with the development issuer; in production one of the two must be set'
    })
  ),
  USER_FRESH_SECONDS: count(600, 'After how long the User Service is asked again about a user of whom no event has come'),
  USER_STALE_SECONDS: count(86_400, 'How long what is known of a user holds while the User Service is away'),
  SAMPLE_CATALOG: Type.Boolean({ default: true, description: 'In development, put a sample catalog into an empty one' }),
  EVENT_RESERVATION_TTL_SECONDS: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 2_678_400,
      description: 'Deadline of reservations made by OrderCreated; without it they have none'
    })
  ),
  EVENT_CONSUMERS: optional(
    'Which consumer may read and publish which events, as JSON, beside those of our services; usually as EVENT_CONSUMERS_FILE: docs/how-to/consumer-permissions.md'
  ),
  EVENT_FOLLOWERS_MAX: count(100, 'Streams of events that a process serves at once; more are answered 429', 0),
  EVENT_SIGNATURES: optional(
    'What to do about unsigned events, by topic: require, warn or off; without it product.events=require,order.events=warn,user.events=warn; must be chosen in production'
  ),
  EVENT_SOURCES: optional(
    'Whose keys verify events, as source=URL of its key set: /order-service=https://orders.example/.well-known/jwks.json, or /shop@order.events=… for other names; without it those of PRODUCT_SERVICE_URL and so on'
  ),
  SIGNING_KEY_SECRET: Type.Optional(
    Type.String({
      minLength: 32,
      description:
        'Seals the private keys that sign our events, in the database; needed in production, usually as SIGNING_KEY_SECRET_FILE. While it is exchanged: new,old'
    })
  ),
  SIGNING_KEY_RETENTION_DAYS: count(90, 'How long a key that signs no more can still verify what brokers and dead letters hold'),
  EVENT_LOG_RETENTION_DAYS: count(30, 'How long published events can be read again'),
  IDEMPOTENCY_RETENTION_HOURS: count(48, 'How long an Idempotency-Key is remembered', 24),
  IMPORT_RETENTION_DAYS: count(30, 'How long an import and its errors can be read after its end'),
  INBOX_RETENTION_DAYS: count(30, 'How long a consumed event is remembered, so that it is never applied twice'),
  CONSUMER_RETRY_DELAYS_MS: Type.String({
    default: '1000,5000,30000,120000,600000,1800000,3600000',
    pattern: DELAYS_MS,
    description: 'How long a consumer waits before each further try of an event; after the last it is a dead letter'
  }),
  CONSUMER_TIMEOUT_MS: Type.Integer({
    minimum: 1,
    // The server ends a transaction in which nothing happens after 20 seconds.
    maximum: 19_000,
    default: 15_000,
    description: 'How long a consumer may take over an event; after it, what was done is undone and tried again later'
  }),
  DEAD_LETTER_RETENTION_DAYS: count(90, 'How long a dead letter that was replayed or discarded can be read; open ones stay'),
  ...webhookSettings,
  EXPIRY_INTERVAL_MS: count(1000, 'How often reservations past their deadline are swept'),
  PRICE_SCHEDULE_INTERVAL_MS: count(1000, 'How often prices that have begun or ended are told of'),
  CACHE_BYTES_MAX: count(67_108_864, 'Memory for product documents and pages of them, per process', 0),
  IMPORT_BYTES_MAX: Type.Integer({
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    default: 4_294_967_296,
    description: 'The largest file that an import takes'
  }),
  REQUESTS_IN_FLIGHT_MAX: count(1000, 'Requests in flight per process; more are answered 503'),
  REQUESTS_IN_FLIGHT_CLIENT_MAX: count(200, 'Of these, per client and process of the gateway; more are answered 429'),
  SHUTDOWN_TIMEOUT_MS: count(30_000, 'After SIGTERM, how long work in flight may take'),
  EVENT_FAULTS: optional(
    'For tests and the replay: shuffle,duplicate,delay does that to every delivered event; refused in production'
  ),
  FAILPOINTS: optional(
    'For tests: places where the process is killed or held up, such as outlet.after-publish=kill@3; refused in production'
  )
})
export type Config = Static<typeof settings>

/** The word for this installation in the API keys that it gives out. */
export function environmentOf({ API_KEY_ENVIRONMENT, NODE_ENV }: Config): string {
  return API_KEY_ENVIRONMENT ?? { production: 'live', development: 'dev', test: 'test' }[NODE_ENV]
}

/** Thrown at boot with every fault at once. */
export class ConfigInvalid extends Error {
  constructor(faults: readonly string[]) {
    super(
      `The configuration has ${faults.length} fault(s):\n${faults.map(fault => `  - ${fault}`).join('\n')}\nSee .env.example for every setting.`
    )
    this.name = 'ConfigInvalid'
  }
}

const check = new Ajv({ allErrors: true, coerceTypes: true, useDefaults: true }).compile(settings)

/** Reads the settings from an environment. `NAME_FILE` names a file that holds NAME's value. Throws `ConfigInvalid`. */
export function readConfig(environment: Record<string, string | undefined> = process.env): Config {
  const faults: string[] = []
  const values: Record<string, unknown> = {}
  for (const name of Object.keys(settings.properties)) {
    if (environment[name] && environment[`${name}_FILE`]) faults.push(`${name}: is said twice, by ${name}_FILE too`)
    const value = environment[name] ?? secretOf(name, environment, faults)
    if (value !== undefined && value !== '') values[name] = value
  }
  // 1 and 0 are what people write for yes and no.
  for (const [name, setting] of Object.entries<object>(settings.properties))
    if ('type' in setting && setting.type === 'boolean' && (values[name] === '1' || values[name] === '0'))
      values[name] = values[name] === '1'
  if (!check(values)) {
    for (const error of check.errors ?? []) {
      if (error.keyword !== 'anyOf') faults.push(`${error.instancePath.slice(1) || error.params.missingProperty}: ${error.message}`)
    }
  }
  const config = values as Config
  for (const name of Object.keys(values).filter(name => name.endsWith('_URL'))) {
    if (!URL.canParse(firstHostOf(String(values[name])))) faults.push(`${name}: must be a URL`)
  }
  faults.push(
    ...faultsOfIssuers(config),
    ...faultsOfTrust(config),
    ...faultsOfConsumers(config),
    ...faultsOfTls(config),
    ...faultsOfEdge(config)
  )
  if (config.TLS_CA) faults.push(...faultsOfPem('TLS_CA', config.TLS_CA))
  if (config.NODE_ENV === 'production') faults.push(...unsafeInProduction(config, environment))
  if (faults.length > 0) throw new ConfigInvalid([...new Set(faults)])
  return config
}

/** A URL of Kafka may list hosts, which no URL parser takes. */
function firstHostOf(url: string): string {
  return url.replace(/^(kafkas?:\/\/[^,/]*)(,[^,/\s]+)+/i, '$1')
}

function secretOf(name: string, environment: Record<string, string | undefined>, faults: string[]): string | undefined {
  const file = environment[`${name}_FILE`]
  if (!file) return undefined
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    faults.push(`${name}_FILE: ${file} ${why}`)
    return undefined
  }
}
