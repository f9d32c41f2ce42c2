/** How operators' commands come to the database of a service, whether the service runs or not. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#platform/config.ts'
import { startEmbeddedPostgres } from '#platform/postgres/embedded-postgres.ts'
import type { Migrating } from '#platform/postgres/migrate.ts'

/** A service by its name, as far as its database goes; undefined: there is none. */
export function serviceNamed(name: string): Migrating | undefined {
  const migrations = new URL(`../src/services/${name}/migrations/`, import.meta.url)
  return /^[a-z]+$/.test(name) && existsSync(migrations) ? { name, migrations } : undefined
}

/** DATABASE_URL, or else the embedded PostgreSQL of DATA_DIR, which ends with the stack. */
export async function databaseUrlOf(config: Config, stack: AsyncDisposableStack): Promise<string> {
  return config.DATABASE_URL ?? stack.use(await startEmbeddedPostgres({ dataDir: join(config.DATA_DIR, 'postgres') })).url
}
