/**
 * The audit log belongs to the administrator, and the service may add to it and read it: its own role could change what belongs to it,
 * whatever stood in the way. What a role still can is drop what is in its schema, which `npm run audit -- verify` tells.
 */
import type { Queryable } from './database.ts'

/** Tables that a service only adds to; its role gave birth to them, in a migration. */
const appendOnly = ['audit_records', 'audit_seals', 'audit_checkpoints']

/** Takes over what is not taken over yet. `admin` may act for the role. */
export async function handOverAuditLog(admin: Queryable, role: string): Promise<void> {
  const born = await admin.query<{ name: string; table: string; role: string }>(
    `select c.relname as name, format('%I.%I', n.nspname, c.relname) as table, format('%I', n.nspname) as role
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relname = any($2::text[]) and c.relkind = 'r' and pg_get_userbyid(c.relowner) = $1 and current_user <> $1`,
    [role, appendOnly]
  )
  for (const { table, role } of born) {
    await admin.query(`alter table ${table} owner to current_user`)
    await admin.query(`revoke all on ${table} from ${role}`)
    await admin.query(`grant select, insert on ${table} to ${role}`)
  }
}
