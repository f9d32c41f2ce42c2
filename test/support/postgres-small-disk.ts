/** A PostgreSQL whose write-ahead log is on a disk of its own that tests fill up: a file system in memory, so root only. */
import { execFile } from 'node:child_process'
import { mkdtemp, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { type CrashablePostgres, startCrashablePostgres } from './postgres-crashable.ts'

const run = promisify(execFile)

export type SmallDiskPostgres = CrashablePostgres & {
  /** Leaves no byte. */
  fill(): Promise<void>
  empty(): Promise<void>
}

/** Whether it can be had here. */
export const canMount = process.platform === 'linux' && process.getuid?.() === 0

const MEGABYTES = 128

export async function startSmallDiskPostgres(): Promise<SmallDiskPostgres> {
  const server = await startCrashablePostgres({ max_wal_size: '64MB', min_wal_size: '32MB' })
  const client = new pg.Client(server.url)
  await client.connect()
  const data = (await client.query('show data_directory')).rows[0].data_directory as string
  await client.end()
  await server.stopImmediately()
  const disk = await mkdtemp(join(tmpdir(), 'small-disk-'))
  const { uid, gid } = await stat(data)
  await run('mount', ['-t', 'tmpfs', '-o', `size=${MEGABYTES}m,uid=${uid},gid=${gid},mode=755`, 'tmpfs', disk])
  await rename(join(data, 'pg_wal'), join(data, 'pg_wal_before'))
  await run('cp', ['-a', join(data, 'pg_wal_before'), join(disk, 'pg_wal')])
  await symlink(join(disk, 'pg_wal'), join(data, 'pg_wal'))
  await server.start()
  const filler = join(disk, 'filler')
  return {
    ...server,
    get url() {
      return server.url
    },
    // The file is as large as the disk lets it be.
    fill: () => writeFile(filler, Buffer.alloc(MEGABYTES * 1024 * 1024)).catch(() => {}),
    empty: () => rm(filler, { force: true }),
    async [Symbol.asyncDispose]() {
      await rm(filler, { force: true })
      await server[Symbol.asyncDispose]()
      await run('umount', [disk])
      await rm(disk, { recursive: true, force: true })
    }
  }
}
