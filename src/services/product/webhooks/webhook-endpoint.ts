/** Webhook endpoints in the database, and whose they are: others than their owner have to be operators, and are told nothing else. */
import { Problem } from '#contracts/problems.ts'
import type { WebhookEndpoint } from '#contracts/resources/webhook.ts'
import type { Scope } from '#contracts/scopes.ts'
import { keepBefore } from '#platform/audit/audit.ts'
import type { Actor } from '#platform/identity/actor.ts'
import type { Queryable, Row, Transaction } from '#platform/postgres/database.ts'
import { type LiveSecret, liveSecrets, toLiveSecret } from '../live-secrets.ts'
import type { WebhookFilter } from './webhook-filter.ts'

export type EndpointRow = Row & {
  webhook_endpoint_id: string
  url: string
  description: string | null
  event_types: string[]
  filter: WebhookFilter | null
  ordering: 'none' | 'key'
  in_flight_max: number
  requests_per_second: number | null
  status: 'enabled' | 'disabled'
  disabled_reason: WebhookEndpoint['disabledReason']
  disabled_at: string | null
  failing_since: string | null
  owner_issuer: string
  owner_subject: string
  owner_client_id: string
  owner_scopes: string[]
  from_position: number
  version: number
  created_at: string
  updated_at: string
}

type WithSecrets = EndpointRow & { secrets: LiveSecret[] }

const columns = `e.*, ${liveSecrets('webhook_secrets s where s.webhook_endpoint_id = e.webhook_endpoint_id')}`

export function toWebhookEndpoint(row: WithSecrets): WebhookEndpoint {
  return {
    webhookEndpointId: row.webhook_endpoint_id,
    url: row.url,
    description: row.description,
    eventTypes: row.event_types,
    filter: row.filter,
    ordering: row.ordering,
    inFlightMax: row.in_flight_max,
    requestsPerSecond: row.requests_per_second,
    status: row.status,
    disabledReason: row.disabled_reason,
    disabledAt: row.disabled_at,
    failingSince: row.failing_since,
    secrets: row.secrets.map(toLiveSecret),
    createdBy: row.owner_subject,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at
  }
}

/** Who asks, as a condition on `webhook_endpoints e` takes it. */
export type Asking = { actor: Actor; everybodys: Scope }

/** `$n` and the two after it are what `ownerValues` gives. */
export const isAskers = (n: number) => `($${n}::boolean or (e.owner_issuer = $${n + 1} and e.owner_subject = $${n + 2}))`

export const askerValues = ({ actor, everybodys }: Asking) => [actor.scopes.has(everybodys), actor.issuer, actor.subject]

export const reads = (actor: Actor): Asking => ({ actor, everybodys: 'operations:read' })
export const changes = (actor: Actor): Asking => ({ actor, everybodys: 'operations:write' })

const none = () => new Problem('not-found', 'There is no such webhook endpoint')

/** Reads an endpoint. Throws `not-found`, also where it is somebody else's. */
export async function readWebhookEndpoint(database: Queryable, id: string, asking: Asking): Promise<WebhookEndpoint> {
  const [row] = await database.query<WithSecrets>(
    `select ${columns} from webhook_endpoints e where e.webhook_endpoint_id = $1 and ${isAskers(2)}`,
    [id, ...askerValues(asking)]
  )
  if (!row) throw none()
  return toWebhookEndpoint(row)
}

/** Up to `limit` endpoints after that one, oldest first. */
export async function readWebhookEndpoints(
  database: Queryable,
  asking: Asking,
  after: string | null,
  limit: number
): Promise<WebhookEndpoint[]> {
  const rows = await database.query<WithSecrets>(
    `select ${columns} from webhook_endpoints e where ($1::uuid is null or e.webhook_endpoint_id > $1) and ${isAskers(3)}
     order by e.webhook_endpoint_id limit $2`,
    [after, limit, ...askerValues(asking)]
  )
  return rows.map(toWebhookEndpoint)
}

/** Locks an endpoint that is to be changed, without holding up who delivers to it. Throws `not-found`. */
export async function lockWebhookEndpoint(
  tx: Transaction,
  id: string,
  actor: Actor
): Promise<{ row: EndpointRow; endpoint: WebhookEndpoint; isOwner: boolean }> {
  const asking = changes(actor)
  const [row] = await tx.query<EndpointRow>(
    `select e.* from webhook_endpoints e where e.webhook_endpoint_id = $1 and ${isAskers(2)} for no key update`,
    [id, ...askerValues(asking)]
  )
  if (!row) throw none()
  const endpoint = await readWebhookEndpoint(tx, id, asking)
  keepBefore(tx, endpoint)
  return { row, endpoint, isOwner: row.owner_issuer === actor.issuer && row.owner_subject === actor.subject }
}

/**
 * Where the event log ends now. Whoever fans events out goes no further meanwhile: an endpoint that begins there in this transaction misses
 * nothing that comes after it. The cursor is made with the first endpoint: where there are no webhooks, nothing has to follow the log.
 */
export async function headForWebhooks(tx: Transaction): Promise<number> {
  tx.send(`insert into outlets (name, position) select 'webhooks', position from event_log_head on conflict do nothing`)
  tx.send(`select from outlets where name = 'webhooks' for update`)
  const [head] = await tx.query<{ position: number }>('select position from event_log_head')
  return head!.position
}
