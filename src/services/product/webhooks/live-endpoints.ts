/**
 * The endpoints that are enabled, and what their owners may read now: an API key that was taken back, and a user who may not have webhooks
 * any more, are sent nothing.
 */
import { scopesOfRoles } from '#contracts/roles.ts'
import { API_KEY_ISSUER } from '#platform/identity/actor.ts'
import type { EventReader } from '#platform/messaging/event-permissions.ts'
import type { Queryable } from '#platform/postgres/database.ts'
import type { EndpointRow } from './webhook-endpoint.ts'

/** `reader` is undefined once the owner is nobody any more who may have webhooks. */
export type LiveEndpoint = EndpointRow & { reader: EventReader | undefined }

type StandingRow = EndpointRow & { key_scopes: string[] | null; user_status: string | null; user_roles: string[] | null }

const read = `
  select e.*, u.status as user_status, u.roles as user_roles, (
    select k.scopes from api_keys k
    where k.api_key_id = case when e.owner_issuer = '${API_KEY_ISSUER}' then substring(e.owner_subject from 9)::uuid end
      and (k.expires_at is null or k.expires_at > now())
      and exists (select from api_key_secrets s where s.api_key_id = k.api_key_id and (s.ends_at is null or s.ends_at > now()))
  ) as key_scopes
  from webhook_endpoints e left join known_users u on u.user_id = e.owner_user_id
  where e.status = 'enabled'`

/** All of them, or that one. */
export async function readLiveEndpoints(database: Queryable, id?: string): Promise<LiveEndpoint[]> {
  const rows = await (id === undefined
    ? database.query<StandingRow>(read)
    : database.query<StandingRow>(`${read} and e.webhook_endpoint_id = $1`, [id]))
  return rows.map(row => ({ ...row, reader: readerOf(row) }))
}

const NEEDED = 'webhooks:write'

function readerOf(row: StandingRow): EventReader | undefined {
  const isKey = row.owner_issuer === API_KEY_ISSUER
  const scopes = new Set(isKey ? (row.key_scopes ?? []) : row.owner_scopes)
  // As last told; of whom nothing was told, what the token said when the endpoint was changed holds.
  const bounds = row.user_roles && scopesOfRoles(row.user_roles)
  if (bounds) for (const scope of scopes) if (!(bounds as ReadonlySet<string>).has(scope)) scopes.delete(scope)
  if (!scopes.has(NEEDED) || (row.user_status !== null && row.user_status !== 'active')) return undefined
  return { issuer: row.owner_issuer, clientId: row.owner_client_id, scopes }
}
