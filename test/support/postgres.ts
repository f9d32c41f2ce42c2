import { randomUUID } from 'node:crypto'
import { after } from 'node:test'
import { Client } from 'pg'
import type { EmbeddedPostgres } from '#platform/postgres/embedded-postgres.ts'
import { startTestServer } from './test-server.ts'

/**
 * Creates an empty database with a name of its own, dropped on dispose together with whatever is still connected to it.
 *
 * It is on the server of `TEST_DATABASE_URL` (`npm test` starts one for all files; a superuser's URL), else on one that this
 * test file starts for itself. Roles belong to the server, not to the database: tests beside this one see them.
 */
export async function createTestDatabase(): Promise<AsyncDisposable & { url: string }> {
  const server = await testServerUrl()
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await execute(server, `CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      if (stopped) return
      await execute(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    }
  }
}

/** The superuser's URL of the server that this test run uses. */
export async function testServerUrl(): Promise<string> {
  if (process.env.TEST_DATABASE_URL) return process.env.TEST_DATABASE_URL
  own ??= startTestServer()
  return (await own).url
}

let own: Promise<EmbeddedPostgres> | undefined
/** Our own server goes with everything on it, perhaps before a file's own hooks run. */
let stopped = false

after(async () => {
  stopped = own !== undefined
  await (await own)?.[Symbol.asyncDispose]()
})

async function execute(url: string, sql: string): Promise<void> {
  const client = new Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
