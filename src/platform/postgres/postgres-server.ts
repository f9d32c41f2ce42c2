import { spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { open, readFile, rm, stat } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { asAccount, type Placement, runAs } from './postgres-account.ts'
import { program } from './postgres-binaries.ts'
import { processIdentity } from './process-lock.ts'

/** A postmaster that accepts connections on 127.0.0.1. `identity` tells it from a later process with the same pid. */
export type PostgresServer = { pid: number; port: number; identity: string | undefined }

/** What the server is started with. `port` is a wish: another is taken where it is in use. */
export type ServerOptions = { port: number; logFile: string; settings: Record<string, string | number | boolean> }

const PATIENCE_MS = 120_000

/** Starts a server on the cluster, or adopts the one that runs there already. */
export async function ensureServer(place: Placement, options: ServerOptions): Promise<PostgresServer & { adopted: boolean }> {
  let wish = options.port
  for (const deadline = Date.now() + 20_000; ; await delay(200)) {
    const running = await runningServer(place.cluster)
    if (running) return { ...running, adopted: true }
    const launched = await launch(place, { ...options, port: await freePort(wish) })
    if (typeof launched !== 'string') return { ...launched, adopted: false }
    // Lost a race for the port or for the cluster, or the last backends of a killed postmaster have not gone yet.
    const passing = /could not bind|lock file .* already exists|is still in use/.test(launched)
    if (!passing || Date.now() > deadline) {
      throw new Error(
        `PostgreSQL stopped while it started:\n${launched.trim().split('\n').slice(-12).join('\n')}\n(${options.logFile})`
      )
    }
    if (launched.includes('could not bind')) wish = 0
  }
}

/** The server that runs on this cluster and answers, after waiting for one that is starting or stopping. */
export async function runningServer(cluster: string): Promise<PostgresServer | undefined> {
  for (const deadline = Date.now() + PATIENCE_MS; ; await delay(20)) {
    const found = await readPidFile(cluster)
    if (!found?.identity) return undefined
    if (!(await worksIn(found.pid, cluster))) {
      // The pid is another process's by now, and PostgreSQL would refuse to start for it.
      await rm(join(cluster, 'postmaster.pid'), { force: true })
      return undefined
    }
    if (found.status === 'ready' && (await answers(found.port))) return found
    if (Date.now() > deadline) {
      throw new Error(
        `The PostgreSQL server on ${cluster} (pid ${found.pid}) does not answer. Stop it with kill -INT ${found.pid} and start again; ` +
          `if that process is not PostgreSQL, delete ${join(cluster, 'postmaster.pid')}.`
      )
    }
  }
}

/** Stops the server, closing its connections; resolves once the process is gone. */
export async function stopServer(server: PostgresServer, place: Placement): Promise<void> {
  const gone = () => processIdentity(server.pid) !== server.identity
  for (const [signal, patienceMs] of [
    ['INT', 60_000],
    ['QUIT', 20_000]
  ] as const) {
    if (gone()) return
    if (process.platform === 'win32')
      await runAs(place.account, program(place.binaries, 'pg_ctl'), ['kill', signal, String(server.pid)])
    else kill(server.pid, `SIG${signal}`)
    for (const deadline = Date.now() + patienceMs; !gone() && Date.now() < deadline; ) await delay(10)
  }
  if (!gone())
    throw new Error(
      `The PostgreSQL server on ${place.cluster} (pid ${server.pid}) does not stop. Stop it with kill -QUIT ${server.pid}.`
    )
}

/** Resolves to the server, or to what it logged when it stopped instead of becoming ready. */
async function launch(place: Placement, { port, logFile, settings }: ServerOptions): Promise<PostgresServer | string> {
  const all = { ...settings, port, listen_addresses: '127.0.0.1', unix_socket_directories: '' }
  const arguments_ = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const { command, options } = asAccount(place.account, [program(place.binaries, 'postgres'), '-D', place.cluster, ...arguments_])
  const startedAt = Math.floor(Date.now() / 1000)
  const log = openSync(logFile, 'a', 0o600)
  const logStart = fstatSync(log).size
  // In a session of its own, so that Ctrl-C reaches our process alone and the database outlives our last statement.
  const child = spawn(command[0]!, command.slice(1), { ...options, detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  child.unref()
  let ended: string | undefined
  child.once('exit', code => (ended = `exit code ${code}`)).once('error', error => (ended = error.message))
  for (const deadline = Date.now() + PATIENCE_MS; ; await delay(10)) {
    const found = await readPidFile(place.cluster)
    // The time tells this server's file from one left by a killed server that happened to have the same pid.
    if (found?.status === 'ready' && found.pid === child.pid && found.startedAt >= startedAt) return found
    if (ended) return `${await readFrom(logFile, logStart)}${ended}`
    if (Date.now() > deadline) {
      child.kill('SIGQUIT')
      throw new Error(`PostgreSQL was not ready after ${PATIENCE_MS / 1000} s. Its log: ${logFile}`)
    }
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** postmaster.pid: pid, folder, start time, port, socket folder, address, shared memory key, status (PostgreSQL's utils/pidfile.h). */
async function readPidFile(cluster: string): Promise<(PostgresServer & { status: string; startedAt: number }) | undefined> {
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[0])
  if (!(pid > 0)) return undefined
  return {
    pid,
    startedAt: Number(lines[2]),
    port: Number(lines[3]),
    status: lines[7]?.trim() ?? '',
    identity: processIdentity(pid)
  }
}

/** A postmaster's working directory is its cluster. Where that cannot be seen, the answer on its port has to do. */
async function worksIn(pid: number, cluster: string): Promise<boolean> {
  if (process.platform !== 'linux') return true
  // By device and inode, which hold across mount namespaces, where a path may read differently.
  return Promise.all([stat(`/proc/${pid}/cwd`), stat(cluster)]).then(
    ([folder, wanted]) => folder.dev === wanted.dev && folder.ino === wanted.ino,
    error => error.code !== 'ENOENT'
  )
}

/** Whether something that speaks PostgreSQL listens: it answers a request for TLS with one letter. */
function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])))
    socket.setTimeout(2_000, () => socket.destroy())
    socket.once('data', data => {
      resolve(['N', 'S'].includes(data.toString('latin1', 0, 1)))
      socket.destroy()
    })
    socket.once('error', () => {}).once('close', () => resolve(false))
  })
}

function freePort(wish: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', error => (wish === 0 ? reject(error) : freePort(0).then(resolve, reject)))
    server.listen(wish, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

async function readFrom(file: string, start: number): Promise<string> {
  await using handle = await open(file)
  const { size } = await handle.stat()
  return (await handle.read(Buffer.alloc(size - start), 0, size - start, start)).buffer.toString('utf8')
}
