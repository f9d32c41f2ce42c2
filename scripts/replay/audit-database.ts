/** Reads the database of the ecosystem as its superuser: services cannot see each other's schemas, an auditor sees all of them. */
import pg from 'pg'

export interface AuditDatabase extends AsyncDisposable {
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>
}

export async function openAuditDatabase(url: string): Promise<AuditDatabase> {
  // Counts come as bigint, which nothing here is too large for.
  const types = {
    getTypeParser: (oid: number, format?: 'text') =>
      oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format)
  }
  const client = new pg.Client({ connectionString: url, application_name: 'replay', types: types as never })
  await client.connect()
  return {
    query: async (sql, values) => (await client.query(sql, values as unknown[])).rows,
    [Symbol.asyncDispose]: () => client.end()
  }
}

const INT8 = 20
const NUMERIC = 1700
