import assert from 'node:assert/strict'
import { access, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { dispose, kill, newFolder, query, spawnStart, startInChild } from '../../../test/support/embedded-postgres.ts'
import { startEmbeddedPostgres } from './embedded-postgres.ts'
import { processIdentity } from './process-lock.ts'

test('a database starts empty, in UTF-8, on the loopback interface, and keeps its data and its port over a restart', async () => {
  const dataDir = newFolder()
  const first = await startEmbeddedPostgres({ dataDir })
  assert.equal(first.adopted, false)
  const [settings] = await query(
    first.url,
    `SELECT current_setting('server_version_num')::int / 10000 AS version, current_setting('server_encoding') AS encoding, datlocale,
       current_setting('listen_addresses') AS addresses, current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit
     FROM pg_database WHERE datname = 'postgres'`
  )
  const expected = { version: 18, encoding: 'UTF8', datlocale: 'C.UTF-8', addresses: '127.0.0.1', fsync: 'on', commit: 'on' }
  assert.deepEqual(settings, expected)
  await query(first.url, "CREATE TABLE kept AS SELECT 'Größe' AS text")
  await first[Symbol.asyncDispose]()
  assert.equal(processIdentity(first.pid), undefined)

  await using second = await startEmbeddedPostgres({ dataDir })
  assert.equal(second.url, first.url)
  assert.deepEqual(await query(second.url, 'SELECT upper(text) AS text FROM kept'), [{ text: 'GRÖßE' }])
})

test('the password is asked for, and only its owner can read it', async () => {
  const dataDir = newFolder()
  await using server = await startEmbeddedPostgres({ dataDir })
  const wrong = new URL(server.url)
  wrong.password = 'wrong'
  await assert.rejects(query(wrong.href, 'SELECT 1'), /password authentication failed/)
  assert.equal((await stat(join(dataDir, 'password'))).mode & 0o777, 0o600)
})

test('a server left by a killed process is adopted with its data, and stopped by its last user', async () => {
  const dataDir = newFolder()
  const killed = await startInChild(dataDir)
  await query(killed.url, 'CREATE TABLE kept AS SELECT 1 AS id')
  await kill(killed.child)
  assert.ok(processIdentity(killed.pid), 'the server outlives the process')

  const adopted = await startEmbeddedPostgres({ dataDir })
  assert.deepEqual([adopted.adopted, adopted.pid], [true, killed.pid])
  assert.deepEqual(await query(adopted.url, 'SELECT id FROM kept'), [{ id: 1 }])

  const other = await startInChild(dataDir)
  await adopted[Symbol.asyncDispose]()
  assert.deepEqual(await query(other.url, 'SELECT id FROM kept'), [{ id: 1 }], 'the other user keeps its server')
  await dispose(other.child)
  assert.equal(processIdentity(killed.pid), undefined)
})

test('processes that start at once on one folder share one server', async () => {
  const dataDir = newFolder()
  const started = await Promise.all([startInChild(dataDir), startInChild(dataDir), startInChild(dataDir)])
  assert.equal(new Set(started.map(server => server.pid)).size, 1)
  assert.deepEqual(started.map(server => server.adopted).sort(), [false, true, true])
  await Promise.all(started.map(server => dispose(server.child)))
  assert.equal(processIdentity(started[0]!.pid), undefined)
})

test('a process killed while it creates the database leaves nothing that stops the next start', async () => {
  const dataDir = newFolder()
  const child = spawnStart(dataDir)
  await until(() => access(join(dataDir, 'lock')))
  await kill(child)
  await using server = await startEmbeddedPostgres({ dataDir })
  assert.deepEqual(await query(server.url, 'SELECT 1 AS one'), [{ one: 1 }])
})

test('a killed server is started again', async () => {
  const dataDir = newFolder()
  await using killed = await startEmbeddedPostgres({ dataDir })
  await query(killed.url, 'CREATE TABLE kept AS SELECT 1 AS id')
  process.kill(killed.pid, 'SIGKILL')
  await using server = await startEmbeddedPostgres({ dataDir })
  assert.equal(server.adopted, false)
  assert.deepEqual(await query(server.url, 'SELECT id FROM kept'), [{ id: 1 }])
})

test('a pid file that names another living process by now is not believed', { skip: process.platform !== 'linux' }, async () => {
  const dataDir = newFolder()
  const first = await startEmbeddedPostgres({ dataDir })
  const pidFile = await readFile(join(dataDir, 'pgdata', 'postmaster.pid'), 'utf8')
  await first[Symbol.asyncDispose]()
  await writeFile(join(dataDir, 'pgdata', 'postmaster.pid'), pidFile.replace(/^\d+/, String(process.pid)))
  await using second = await startEmbeddedPostgres({ dataDir })
  assert.equal(second.adopted, false)
})

test('a taken port is not waited for', async () => {
  const dataDir = newFolder()
  await using other = await startEmbeddedPostgres({ dataDir: newFolder() })
  await mkdir(dataDir)
  await writeFile(join(dataDir, 'port'), `${other.port}\n`)
  await using server = await startEmbeddedPostgres({ dataDir })
  assert.notEqual(server.port, other.port)
})

test('a refused setting is reported in words of PostgreSQL', async () => {
  const dataDir = newFolder()
  await assert.rejects(startEmbeddedPostgres({ dataDir, settings: { max_connections: 'plenty' } }), /max_connections.*plenty/s)
})

test('a database of another version is not touched', async () => {
  const dataDir = newFolder()
  await startEmbeddedPostgres({ dataDir }).then(server => server[Symbol.asyncDispose]())
  await writeFile(join(dataDir, 'pgdata', 'PG_VERSION'), '17\n')
  await assert.rejects(startEmbeddedPostgres({ dataDir }), /made by PostgreSQL 17; this is 18/)
})

async function until(condition: () => Promise<unknown>): Promise<void> {
  while (
    !(await condition().then(
      () => true,
      () => false
    ))
  );
}
