import assert from 'node:assert/strict'
import type { Database } from '#platform/database.ts'

/** Asserts that what `work` does leaves every row of every table of the schema as it was. */
export async function unchanged<Result>(database: Database, work: () => Promise<Result>): Promise<Result> {
  const before = await contents(database)
  const result = await work()
  assert.deepEqual(await contents(database), before)
  return result
}

async function contents(database: Database): Promise<Record<string, string>> {
  const tables = await database.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = $1 and table_type = 'BASE TABLE' order by 1`,
    [database.schema]
  )
  const digests = await database.query<{ name: string; digest: string }>(
    tables
      .map(
        ({ name }) =>
          `select '${name}' as name, count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' order by t::text)), '') as digest from ${name} t`
      )
      .join(' union all ')
  )
  return Object.fromEntries(digests.map(({ name, digest }) => [name, digest]))
}
