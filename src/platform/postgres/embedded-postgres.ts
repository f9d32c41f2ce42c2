import { randomBytes, randomUUID } from 'node:crypto'
import { chown, mkdir, readdir, readFile, realpath, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Placement, placePostgres, runAs } from './postgres-account.ts'
import { program } from './postgres-binaries.ts'
import { ensureServer, runningServer, type ServerOptions, stopServer } from './postgres-server.ts'
import { liveClaims, lockDirectory, newClaim } from './process-lock.ts'

/** A PostgreSQL server for development and tests, from npm, that this process uses. */
export type EmbeddedPostgres = AsyncDisposable & {
  /** For the superuser: `postgres://postgres:<password>@127.0.0.1:<port>/postgres`. */
  url: string
  port: number
  pid: number
  /** Whether the server was running already: left by a process that was killed, or started by one that still runs. */
  adopted: boolean
}

const SETTINGS: ServerOptions['settings'] = {
  shared_buffers: '256MB',
  max_connections: 200,
  max_wal_size: '2GB',
  jit: false,
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: false,
  // Errors are the client's to report; a log of every refused statement would fill the disk.
  log_min_messages: 'log'
}

/**
 * Starts PostgreSQL 18 on `dataDir`, creating the database there the first time, as a normal user or as root.
 *
 * The server outlives a SIGKILL of this process, and the next start on the same `dataDir` adopts it. Every process that uses
 * it is on record in `dataDir/users`; disposing stops the server only when no other living process uses it. Two processes may
 * start at once: the second adopts the first one's server. An adopted server keeps the settings it was started with.
 *
 * `dataDir` belongs to this function whole: the cluster in `pgdata`, the superuser's password, the port, the log. What makes a
 * crash safe (fsync, synchronous_commit) is on unless `settings` turns it off.
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string
  log?: (message: string) => void
  settings?: ServerOptions['settings']
}): Promise<EmbeddedPostgres> {
  const { log = () => {}, settings = {} } = options
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 }).catch(unusable(options.dataDir))
  const dataDir = await realpath(options.dataDir)
  await mkdir(join(dataDir, 'users'), { recursive: true }).catch(unusable(dataDir))
  await using _lock = await lockDirectory(dataDir)
  const place = await placePostgres(dataDir)
  const password = await prepareCluster(dataDir, place, log)
  const logFile = join(dataDir, 'postgres.log')
  await truncateLarge(logFile)
  const portFile = join(dataDir, 'port')
  const wish = Number(await readFile(portFile, 'utf8').catch(() => 0))
  const server = await ensureServer(place, { port: wish, logFile, settings: { ...SETTINGS, ...settings } })
  await writeFile(portFile, `${server.port}\n`)
  log(`PostgreSQL ${server.adopted ? 'adopted' : 'started'} on 127.0.0.1:${server.port}, data in ${place.home}`)

  const claim = join(dataDir, 'users', newClaim())
  await writeFile(claim, '')
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`,
    port: server.port,
    pid: server.pid,
    adopted: server.adopted,
    async [Symbol.asyncDispose]() {
      await using _lock = await lockDirectory(dataDir).catch(unlessDeleted)
      await rm(claim, { force: true })
      if ((await liveClaims(join(dataDir, 'users'))).length > 0) return
      // Somebody may have restarted it since.
      const current = await runningServer(place.cluster)
      if (current && current.pid !== server.pid) await stopServer(current, place)
      await stopServer(server, place)
    }
  }
}

/** Stops the server on `dataDir` and deletes its data, wherever that is; refuses while another living process uses it. */
export async function removeEmbeddedPostgres(dataDir: string): Promise<void> {
  const folder = await realpath(dataDir).catch(() => undefined)
  if (!folder) return
  await using _lock = await lockDirectory(folder)
  const users = await liveClaims(join(folder, 'users'))
  if (users.length > 0)
    throw new Error(`The database in ${folder} is in use by process ${users.map(user => Number.parseInt(user, 10))}.`)
  const place = await placePostgres(folder)
  const running = await runningServer(place.cluster)
  if (running) await stopServer(running, place)
  if (place.home !== folder) await rm(place.home, { recursive: true, force: true })
  await rm(folder, { recursive: true, force: true })
}

/** Makes sure that there is a cluster of the right version, and resolves to its superuser's password. */
async function prepareCluster(dataDir: string, place: Placement, log: (message: string) => void): Promise<string> {
  const passwordFile = join(dataDir, 'password')
  const known = await readFile(passwordFile, 'utf8').catch(() => undefined)
  const version = await readFile(join(place.cluster, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version === undefined) {
    // Written before the cluster exists, so that there is never a cluster without it.
    const password = known ?? randomBytes(24).toString('hex')
    await writeFile(passwordFile, password, { mode: 0o600, flush: true })
    log(`Creating a PostgreSQL ${place.binaries.version.split('-')[0]} database in ${place.home}`)
    await createCluster(place, password)
    return password
  }
  const major = place.binaries.version.split('.')[0]
  if (version.trim() !== major) {
    throw new Error(
      `The database in ${dataDir} was made by PostgreSQL ${version.trim()}; this is ${major}. Move the folder away to begin anew, or run that version and set DATABASE_URL.`
    )
  }
  if (known === undefined)
    throw new Error(
      `The password of the database in ${dataDir} (file ${passwordFile}) is missing. Put it back, or delete ${dataDir} to begin anew.`
    )
  return known
}

/** initdb into a folder of its own that takes its name only when complete: a kill half-way leaves nothing that looks like a database. */
async function createCluster({ account, binaries, home, cluster }: Placement, password: string): Promise<void> {
  for (const name of await readdir(home))
    if (name.startsWith('pgdata.')) await rm(join(home, name), { recursive: true, force: true }).catch(() => {})
  const partial = `${cluster}.${randomUUID()}`
  const passwordFile = `${partial}.password`
  await mkdir(partial, { mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (account.uid !== undefined && account.gid !== undefined)
    for (const path of [partial, passwordFile]) await chown(path, account.uid, account.gid)
  const initialise = (characters: string) =>
    runAs(account, program(binaries, 'initdb'), [
      ...['-D', partial, '--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--no-instructions'],
      ...['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C', `--lc-ctype=${characters}`]
    ])
  // Full-text search asks the operating system what a letter is, so it gets UTF-8 there too where the system has it.
  let result = await initialise('C.UTF-8')
  if (!result.ok && /invalid locale name/.test(result.output)) result = await initialise('C')
  await rm(passwordFile, { force: true })
  if (!result.ok) throw new Error(`PostgreSQL could not create a database in ${home}:\n${result.output}`)
  await rename(partial, cluster)
}

async function truncateLarge(file: string): Promise<void> {
  const { size } = await stat(file).catch(() => ({ size: 0 }))
  if (size > 10_000_000) await truncate(file)
}

/** Somebody may have deleted the data under a running server, which stops all the same. */
function unlessDeleted(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function unusable(folder: string): (cause: Error) => never {
  return cause => {
    throw new Error(
      `${folder} cannot be used for the database: ${cause.message}. Choose another folder with DATA_DIR, or set DATABASE_URL to a PostgreSQL 18 server of your own.`,
      { cause }
    )
  }
}
