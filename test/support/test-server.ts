import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedPostgres, removeEmbeddedPostgres, startEmbeddedPostgres } from '#platform/postgres/embedded-postgres.ts'
import { processIdentity } from '#platform/postgres/process-lock.ts'

/**
 * Starts a PostgreSQL for tests in a folder of its own, deleted with the server; servers of test runs that were killed are
 * stopped and deleted first.
 *
 * It does not wait for the disk: its data need not survive the machine, and nothing that a client can observe changes. Tests
 * that crash the server, or that measure it, start their own with `startEmbeddedPostgres`.
 */
export async function startTestServer(): Promise<EmbeddedPostgres> {
  await removeAbandoned()
  const dataDir = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`))
  const settings = { fsync: false, synchronous_commit: false, full_page_writes: false, max_connections: 500 }
  const server = await startEmbeddedPostgres({ dataDir, settings })
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await removeEmbeddedPostgres(dataDir)
    }
  }
}

const PREFIX = 'product-service-test-'

async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? 0)
    if (pid === 0 || processIdentity(pid)) continue
    const folder = join(tmpdir(), name)
    // What belongs to another user, or is being removed by a run beside this one, is not ours to worry about.
    await removeEmbeddedPostgres(folder)
      .then(() => rm(folder, { recursive: true, force: true }))
      .catch(() => {})
  }
}
