/** What must hold, as data: what is compared, and how good it is to be. A floor must hold at release; a moonshot is where we are going. */

export type Limit = {
  what: string
  /** `×`: of what it is compared with, in the same round. */
  unit: '×' | 'ms' | 's' | 'MiB' | 'reads'
  better: 'higher' | 'lower'
  moonshot: number
  floor: number
}

const atLeast = (what: string, moonshot: number, floor: number): Limit => ({ what, unit: '×', better: 'higher', moonshot, floor })
const atMost = (what: string, unit: Limit['unit'], moonshot: number, floor: number): Limit => ({
  what,
  unit,
  better: 'lower',
  moonshot,
  floor
})

export const limits = {
  warmRead: atLeast('warm `GET /v1/products/{id}` against a static Fastify route with the same bytes', 0.8, 0.6),
  uncachedRead: atLeast('the same, uncached and fresh', 0.4, 0.25),
  warmReadCpu: atMost('CPU per warm read (Node + PostgreSQL)', 'ms', 0.035, 0.06),
  tokenCpu: atMost('CPU of authentication and authorization in a warm read: an access token', 'ms', 0.005, 0.015),
  userCpu: atMost('the same, of a user whom the User Service bounds', 'ms', 0.005, 0.015),
  apiKeyCpu: atMost('the same: an API key', 'ms', 0.005, 0.015),
  warmList: atLeast('list of 20, warm, against a static list of the same bytes', 0.6, 0.3),
  hotReservations: atLeast("hot-SKU reservation over HTTP, 32 callers, against pgbench's row transaction at 32 clients", 10, 5),
  hotReservations256: atLeast('the same, 256 callers', 15, 7),
  hotReservationCpu: atMost('CPU per hot reservation (Node + PostgreSQL)', 'ms', 0.16, 0.3),
  manyReservations: atLeast("10,000 SKUs, 200 callers, against pgbench's 10,000-row transaction", 1.5, 1),
  manyReservationsP99: atMost('the same, p99', 'ms', 25, 50),
  releases: atLeast('release against the reserve rate', 0.5, 0.25),
  expiry: atLeast('expiry against the reserve rate', 0.5, 0.25),
  import: atLeast('import of products with 3 variants and one event each, against raw COPY of the documents', 0.5, 0.3),
  idleMemory: atMost('RSS of the product role, idle', 'MiB', 110, 170),
  listMemory: atMost('RSS of the product role under list load', 'MiB', 200, 300),
  start: atMost('start to ready on a migrated database', 's', 0.5, 1.5),
  deepPage: atMost('100,000 products: list page 1,000 against page 1, the worst of all sorts', '×', 2, 2),
  skuSearch: atMost('100,000 products: search of an SKU against page 1 of the list', '×', 1, 1),
  flatMemory: atMost('100,000 products: RSS after 1,000 pages of every sort, against page 1 of each', '×', 1.2, 1.5),
  ownWrites: atMost('read-your-writes on one process under load: stale reads', 'reads', 0, 0),
  announcing: atMost('the outbox row: share of a write’s rate that it costs', '×', 0.15, 0.3),
  relayPostgres: atLeast('outbox to confirmed over PostgreSQL, against appending to a bare table', 0.8, 0.5),
  confirmedPostgresP50: atMost('commit to confirmed at 100 events/s over PostgreSQL, p50', 'ms', 3, 10),
  confirmedPostgresP99: atMost('the same, p99', 'ms', 20, 50),
  relayRabbitMq: atLeast('outbox to confirmed over RabbitMQ, against confirmed publishing to a quorum queue', 0.8, 0.5),
  confirmedRabbitMqP50: atMost('commit to confirmed at 100 events/s over RabbitMQ, p50', 'ms', 3, 10),
  confirmedRabbitMqP99: atMost('the same, p99', 'ms', 20, 50),
  relayKafka: atLeast('outbox to confirmed over Kafka, against producing with acks=all', 0.8, 0.5),
  confirmedKafkaP50: atMost('commit to confirmed at 100 events/s over Kafka, p50', 'ms', 3, 10),
  confirmedKafkaP99: atMost('the same, p99', 'ms', 20, 50),
  webhookDelivery: atLeast('webhooks signed twice and recorded, against a bare loop with one HMAC that records nothing', 0.5, 0.25),
  webhookP50: atMost('commit to the receiver of a webhook at 50 events/s, p50', 'ms', 15, 50),
  webhookNeighbour: atMost('a webhook endpoint that hangs: share of its neighbour’s rate that it costs', '×', 0.05, 0.1),
  othersWrites: atMost('staleness on another process under load, the worst seen', 's', 1, 1)
} satisfies Record<string, Limit>

export type LimitName = keyof typeof limits

export type Verdict = 'moonshot' | 'holds' | 'below floor'

export function verdictOf({ better, moonshot, floor }: Limit, value: number): Verdict {
  const reaches = (bound: number) => (better === 'higher' ? value >= bound : value <= bound)
  return reaches(moonshot) && moonshot !== floor ? 'moonshot' : reaches(floor) ? 'holds' : 'below floor'
}
