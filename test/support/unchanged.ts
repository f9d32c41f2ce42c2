import assert from 'node:assert/strict'
import type { Database } from '#platform/postgres/database.ts'

/**
 * Asserts that what `work` does leaves every row of every table of the schema as it was; `beside` are tables that may change. That something
 * was refused is recorded beside everything, and some time later.
 */
export async function unchanged<Result>(
  database: Database,
  work: () => Promise<Result>,
  beside: readonly string[] = []
): Promise<Result> {
  const before = await contents(database, beside)
  const result = await work()
  assert.deepEqual(await contents(database, beside), before)
  return result
}

async function contents(database: Database, beside: readonly string[]): Promise<Record<string, string>> {
  const tables = await database.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = $1 and table_type = 'BASE TABLE' and table_name <> all($2) order by 1`,
    [database.schema, [...beside, 'audit_unsealed', 'integration_views']]
  )
  const digests = await database.query<{ name: string; digest: string }>(
    tables
      .map(
        ({ name }) =>
          `select '${name}' as name, count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' order by t::text)), '') as digest
           from ${name} t ${name === 'audit_records' ? `where outcome <> 'refused'` : ''}`
      )
      .join(' union all ')
  )
  return Object.fromEntries(digests.map(({ name, digest }) => [name, digest]))
}
