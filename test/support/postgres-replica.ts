/** A replica of a PostgreSQL that tests have started, made of a base backup taken while it runs. */
import { execFile } from 'node:child_process'
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { until } from '#broker/conformance-kit.ts'
import { type CrashablePostgres, startCrashablePostgres } from './postgres-crashable.ts'

const run = promisify(execFile)

/** Starts a replica, and has the primary wait for it with every commit: so that what it has confirmed survives it. */
export async function startReplica(primary: CrashablePostgres): Promise<CrashablePostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), `product-service-test-${process.pid}-replica-`))
  // A cluster of its own first: it settles where the data are, and to whom they belong.
  const replica = await startCrashablePostgres({}, dataDir)
  const client = new pg.Client(primary.url)
  await client.connect()
  try {
    const ask = async (sql: string) => (await client.query(sql)).rows[0] as Record<string, string>
    const from = (await ask('show data_directory')).data_directory!
    const to = await dataDirectoryOf(replica.url)
    await replica.kill()
    await client.query(`select pg_backup_start('replica', true)`)
    await rm(to, { recursive: true })
    // Files that vanish on the way are what the log replays.
    await run('cp', ['-a', from, to]).catch(() => {})
    const { labelfile } = await ask('select labelfile from pg_backup_stop(false)')
    for (const name of ['postmaster.pid', 'postmaster.opts']) await rm(join(to, name), { force: true })
    await writeFile(join(to, 'backup_label'), labelfile!)
    await writeFile(join(to, 'standby.signal'), '')
    const { hostname, port, username, password } = new URL(primary.url)
    const conninfo = `host=${hostname} port=${port} user=${username} password=${password} application_name=replica`
    await appendFile(join(to, 'postgresql.auto.conf'), `primary_conninfo = '${conninfo}'\n`)
    await run('chown', ['-R', '--reference', from, to])
    // Its password is the primary's now.
    await writeFile(join(dataDir, 'password'), password, { mode: 0o600 })
    await replica.start()
    await until('the replica follows', async () => (await ask('select count(*) as n from pg_stat_replication')).n === '1', 60_000)
    await client.query(`alter system set synchronous_standby_names = 'replica'`)
    await client.query('select pg_reload_conf()')
    return replica
  } catch (error) {
    await replica[Symbol.asyncDispose]()
    throw error
  } finally {
    await client.end()
  }
}

/** Makes the replica the primary, after the old one has died; resolves when it takes writes. */
export async function promote(replica: CrashablePostgres): Promise<void> {
  const client = new pg.Client(replica.url)
  await client.connect()
  await client.query('select pg_promote(true, 60)')
  await client.end()
}

async function dataDirectoryOf(url: string): Promise<string> {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query('show data_directory')
  await client.end()
  return rows[0].data_directory
}
