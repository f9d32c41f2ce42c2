/** A PostgreSQL that tests may crash: unlike that of other tests it waits for the disk, as a real one does. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { until } from '#broker/conformance-kit.ts'
import { type EmbeddedPostgres, removeEmbeddedPostgres, startEmbeddedPostgres } from '#platform/postgres/embedded-postgres.ts'
import { processIdentity } from '#platform/postgres/process-lock.ts'
import type { BrokerServer } from './broker-server.ts'

export type CrashablePostgres = BrokerServer & {
  dataDir: string
  /** As an administrator in a hurry does: it is gone at once, and recovers when it is started. */
  stopImmediately(): Promise<void>
  /** Whether commits wait for the disk. They do at first; a crash of the server, unlike one of the machine, loses nothing without it. */
  waitForDisk(on: boolean): Promise<void>
}

const SETTINGS = { shared_buffers: '64MB', max_connections: 100, max_prepared_transactions: 10, max_wal_size: '512MB' }

export async function startCrashablePostgres(
  settings: Record<string, string | number | boolean> = {},
  dataDir?: string
): Promise<CrashablePostgres> {
  const folder = dataDir ?? (await mkdtemp(join(tmpdir(), `product-service-test-${process.pid}-crash-`)))
  const start = () => startEmbeddedPostgres({ dataDir: folder, settings: { ...SETTINGS, ...settings } })
  const started: EmbeddedPostgres[] = [await start()]
  const end = async (signal: NodeJS.Signals) => {
    const { pid } = started.at(-1)!
    const identity = processIdentity(pid)
    if (identity) process.kill(pid, signal)
    await until('PostgreSQL is gone', () => identity === undefined || processIdentity(pid) !== identity)
  }
  return {
    dataDir: folder,
    get url() {
      return started.at(-1)!.url
    },
    kill: () => end('SIGKILL'),
    stopImmediately: () => end('SIGQUIT'),
    async waitForDisk(on) {
      const client = new pg.Client(started.at(-1)!.url)
      await client.connect()
      await client.query(`alter system set fsync = ${on ? 'on' : 'off'}`)
      await client.query('select pg_reload_conf()')
      await client.end()
    },
    async start() {
      started.push(await start())
    },
    async [Symbol.asyncDispose]() {
      for (const each of started) await each[Symbol.asyncDispose]()
      await removeEmbeddedPostgres(folder)
    }
  }
}
