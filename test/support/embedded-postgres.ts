import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { Client } from 'pg'
import { removeEmbeddedPostgres } from '#platform/postgres/embedded-postgres.ts'

/** A folder for this test file, deleted at its end, after what was started in `newFolder`s and in child processes was stopped. */
export const root = await mkdtemp(join(tmpdir(), 'embedded-postgres-'))

/** The clone that the tests are in. */
export const CLONE = join(import.meta.dirname, '../..')

const folders: string[] = []
const children: ChildProcess[] = []

after(async () => {
  await Promise.all(children.filter(child => child.exitCode === null && child.signalCode === null).map(kill))
  const removed = await Promise.allSettled(folders.map(folder => removeEmbeddedPostgres(folder)))
  for (const result of removed) if (result.status === 'rejected') throw result.reason
  await rm(root, { recursive: true, force: true })
})

/** The path of a data directory that does not exist yet. */
export function newFolder(path = join(root, `data-${folders.length}`)): string {
  folders.push(path)
  return path
}

/** Runs one statement on a connection of its own. */
export async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** How the process that starts a server is run: from which clone, by whom, behind which command. */
export type Surroundings = { clone?: string; prefix?: string[]; uid?: number; gid?: number }

/** Starts an embedded PostgreSQL in a process that disposes of it when its input ends; resolves when the server is ready. */
export async function startInChild(
  dataDir: string,
  surroundings?: Surroundings
): Promise<{ url: string; pid: number; adopted: boolean; child: ChildProcess }> {
  const child = spawnStart(dataDir, surroundings)
  for await (const line of createInterface({ input: child.stdout! })) return { ...JSON.parse(line), child }
  throw new Error('The process that was to start PostgreSQL ended.')
}

/** Like `startInChild`, without waiting. */
export function spawnStart(dataDir: string, { clone = CLONE, prefix = [], ...ids }: Surroundings = {}): ChildProcess {
  const code = `
    const { startEmbeddedPostgres } = await import(process.argv[1])
    const { url, pid, adopted, [Symbol.asyncDispose]: dispose } = await startEmbeddedPostgres({ dataDir: process.argv[2] })
    console.log(JSON.stringify({ url, pid, adopted }))
    process.stdin.resume().once('end', dispose)`
  const module = join(clone, 'src/platform/postgres/embedded-postgres.ts')
  const command = [...prefix, process.execPath, '--input-type=module', '-e', code, module, dataDir]
  const child = spawn(command[0]!, command.slice(1), { ...ids, stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  return child
}

/** Kills the process as a crash would. */
export async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Has the process dispose of its server and waits for its end. */
export async function dispose(child: ChildProcess): Promise<void> {
  child.stdin!.end()
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
}
