/** Secrets of which there may be two while one is exchanged for another: those that are good now, when each is from, never what it is. */

/** How long the one before stays good, where nobody says otherwise. */
export const GRACE_MS = 24 * 60 * 60 * 1000

export type LiveSecret = { id: string; created: string; ends: string | null }

/** As a column of what has them: `of` is where they are, such as `api_key_secrets s where s.api_key_id = k.api_key_id`. */
export const liveSecrets = (of: string) => `(
  select coalesce(json_agg(json_build_object('id', s.secret_id, 'created', s.created_at, 'ends', s.ends_at) order by s.secret_id), '[]')
  from ${of} and (s.ends_at is null or s.ends_at > now())
) as secrets`

export function toLiveSecret({ id, created, ends }: LiveSecret): { secretId: string; createdAt: string; endsAt: string | null } {
  return { secretId: id, createdAt: instant(created), endsAt: ends && instant(ends) }
}

/** JSON of the database has its own form of a time. */
const instant = (time: string) => new Date(time).toISOString()
