/**
 * Brings the schema of a service up to date. Each service has its own role, which owns only its own schema; numbered SQL files,
 * under a lock, so that replicas that start together migrate once.
 */
import { createHmac } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { parse } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Log } from '../log.ts'
import { type Database, openDatabase } from './database.ts'
import { sqlState } from './database-errors.ts'
import { handOverAuditLog } from './hand-over.ts'

export type Migrating = { name: string; migrations: URL }

const shared = new URL('../migrations/', import.meta.url)

/**
 * Makes the role and schema `name` if they are missing, and the extension that migrations build on; applies the migrations of the platform
 * and of the service, and returns the URL by which the service logs in. Needs a URL whose user may create roles and schemas.
 */
export async function migrate(adminUrl: string, service: Migrating, log: Log): Promise<string> {
  const url = await ensureRole(adminUrl, service.name, log)
  const folders = [shared, service.migrations]
  if (await isUpToDate(url, service.name, folders, log)) return url
  const { runner } = await import('node-pg-migrate')
  const applied: unknown[] = []
  for (const folder of folders) {
    applied.push(
      ...(await runner({
        databaseUrl: url,
        dir: fileURLToPath(folder),
        direction: 'up',
        migrationsTable: 'migrations',
        schema: service.name,
        migrationsSchema: service.name,
        // The platform's files stand before the service's, and each folder knows its own only.
        checkOrder: false,
        singleTransaction: true,
        advisoryLockMode: 'wait',
        log: () => {},
        logger: { info: () => {}, warn: () => {}, error: message => log.error({ unit: 'migrate' }, message) }
      }))
    )
  }
  await using admin = openDatabase({ url: adminUrl, schema: service.name, poolSize: 1, log })
  await handOver(admin, service.name)
  if (applied.length > 0) log.info({ unit: 'migrate', applied: applied.length }, 'schema is up to date')
  return url
}

/** Asked before the migrating library is loaded: a service whose schema is up to date starts without it. */
async function isUpToDate(url: string, schema: string, folders: readonly URL[], log: Log): Promise<boolean> {
  await using database = openDatabase({ url, schema, poolSize: 1, log })
  const [table] = await database.query<{ exists: boolean }>(`select to_regclass('migrations') is not null as exists`)
  if (!table!.exists) return false
  const applied = new Set((await database.query<{ name: string }>('select name from migrations')).map(({ name }) => name))
  const files = (await Promise.all(folders.map(folder => readdir(folder)))).flat()
  return files.every(file => applied.has(parse(file).name))
}

/**
 * The same password in every process without storing it: derived from the one that the administrator's URL carries. None when that
 * carries none: then the server lets in by other means, and a role must not get a password that anybody can work out.
 */
function passwordOf(adminUrl: URL, role: string): string {
  if (adminUrl.password === '') return ''
  return createHmac('sha256', decodeURIComponent(adminUrl.password)).update(`service role ${role}`).digest('base64url')
}

async function ensureRole(adminUrl: string, name: string, log: Log): Promise<string> {
  const url = new URL(adminUrl)
  const password = passwordOf(url, name)
  url.username = name
  url.password = password
  await using admin = openDatabase({ url: adminUrl, schema: 'public', poolSize: 1, log })
  await admin.transact(async tx => {
    // Roles belong to the whole cluster, so this lock is not enough between databases: the exception handlers do the rest.
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('migrate', 0))`)
    await tx.query(`select set_config('service.role', $1, true), set_config('service.password', $2, true)`, [name, password])
    await tx.query(`do $$
      declare
        role text := current_setting('service.role');
        password text := nullif(current_setting('service.password'), '');
      begin
        begin
          if not exists (select from pg_roles where rolname = role) then
            execute format('create role %I login password %L', role, password);
          end if;
        exception when duplicate_object or unique_violation then null;
        end;
        begin
          -- Whoever creates a role is a member of it, but not one who may own things in its name.
          if not pg_has_role(current_user, role, 'set') then
            execute format('grant %I to current_user', role);
          end if;
        exception when unique_violation then null;
        end;
        execute format('create schema if not exists %I authorization %I', role, role);
        if not has_database_privilege(role, current_database(), 'connect') then
          execute format('grant connect on database %I to %I', current_database(), role);
        end if;
        -- For constraints that keep times apart. A service may not install it; its operators need not be in anybody's search path.
        if not exists (select from pg_extension where extname = 'btree_gist') then
          create schema if not exists extensions;
          create extension btree_gist with schema extensions;
        end if;
      end $$`)
  })
  // Of a process that died between its migrations and this.
  await handOver(admin, name)
  await ensureLogin(admin, url, log)
  return url.href
}

function handOver(admin: Database, role: string): Promise<void> {
  return admin.transact(async tx => {
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('migrate', 0))`)
    await handOverAuditLog(tx, role)
  })
}

const INVALID_PASSWORD = '28P01'
/** "Tuple concurrently updated", when another database's migration changes the same role. */
const INTERNAL_ERROR = 'XX000'

/** The role may be older than the administrator's current password: then it gets the password that follows from that. */
async function ensureLogin(admin: Database, url: URL, log: Log): Promise<void> {
  await using database = openDatabase({ url: url.href, schema: url.username, poolSize: 1, log })
  for (let tries = 1; ; tries++) {
    try {
      await database.query('select 1')
      return
    } catch (error) {
      if (sqlState(error) !== INVALID_PASSWORD || tries === 3) throw error
    }
    const [row] = await admin.query<{ statement: string }>(
      `select format('alter role %I password %L', $1::text, nullif($2, '')::text) as statement`,
      [url.username, url.password]
    )
    await admin.query(row!.statement).catch(error => {
      if (sqlState(error) !== INTERNAL_ERROR) throw error
    })
  }
}
