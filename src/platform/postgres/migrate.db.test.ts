import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, parse } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { quiet, service, startPart } from '../../../test/support/messaging.ts'
import { createTestDatabase, testServerUrl } from '../../../test/support/postgres.ts'
import { eventually } from '../../../test/support/world.ts'
import { openDatabase } from './database.ts'
import { migrate } from './migrate.ts'

const shared = await openAt(await testServerUrl(), 'public')
after(() => shared[Symbol.asyncDispose]())

/** What every service gets, before its own. */
const platforms = (await readdir(new URL('../migrations/', import.meta.url))).map(file => parse(file).name).sort()

/** Roles belong to the server, so each test has names of its own, gone at its end. */
async function withNames<Names extends string[]>(count: number, use: (...names: Names) => Promise<void>): Promise<void> {
  const names = Array.from({ length: count }, () => `tested_${randomUUID().slice(0, 8)}`)
  try {
    await use(...(names as Names))
  } finally {
    for (const name of names.toReversed())
      await shared.query(
        `do $$ begin if exists (select from pg_roles where rolname = '${name}') then drop owned by ${name}; drop role ${name}; end if; end $$`
      )
  }
}

const named = (name: string) => ({ ...service, name })
function openAt(url: string, schema: string) {
  return openDatabase({ url, schema, poolSize: 4, log: quiet })
}
function as(url: string, username: string, password: string): string {
  const other = new URL(url)
  Object.assign(other, { username, password })
  return other.href
}
const applied = async (url: string, name: string) => {
  await using database = openAt(url, name)
  return (await database.query<{ name: string }>('select name from migrations order by id')).map(row => row.name)
}

/** A folder with the migrations of a service, one file for each statement. */
async function folderOf(...statements: string[]): Promise<AsyncDisposable & { href: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'tested-migrations-'))
  for (const [index, statement] of statements.entries()) await writeFile(join(folder, `000${index + 2}-step.sql`), statement)
  return { href: `${pathToFileURL(folder).href}/`, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

test('processes that start together migrate once', () =>
  withNames(1, async (name: string) => {
    await using database = await createTestDatabase()
    await using folder = await folderOf('create table steps (n integer)', 'insert into steps values (1)')
    const parts = [1, 2, 3].map(() => startPart('migrate', database.url, name, folder.href))
    assert.deepEqual(await Promise.all(parts.map(part => part.ended)), [0, 0, 0])
    const urls = new Set(parts.map(part => part.lines[0]!))
    assert.equal(urls.size, 1)
    const [url] = urls
    assert.deepEqual(await applied(url!, name), [...platforms, '0002-step', '0003-step'])
    await using own = openAt(url!, name)
    assert.deepEqual(await own.query('select n from steps'), [{ n: 1 }])
    // And again finds nothing to do.
    assert.equal(await migrate(database.url, { name, migrations: new URL(folder.href) }, quiet), url)
    assert.deepEqual(await own.query('select n from steps'), [{ n: 1 }])
  }))

test('services of one database, and the same service of several databases, migrate at the same time', () =>
  withNames(3, async (...names: string[]) => {
    await using one = await createTestDatabase()
    await using other = await createTestDatabase()
    await using third = await createTestDatabase()
    const all = [one, other, third].flatMap(database => names.map(name => ({ database, name })))
    const urls = await Promise.all(all.map(({ database, name }) => migrate(database.url, named(name), quiet)))
    for (const [index, { name }] of all.entries()) assert.deepEqual(await applied(urls[index]!, name), platforms)
  }))

test('a service may do what it likes in its own schema, and sees nothing of another one’s', () =>
  withNames(2, async (...names: string[]) => {
    const [mine, theirs] = names as [string, string]
    await using database = await createTestDatabase()
    const [url] = await Promise.all([mine, theirs].map(name => migrate(database.url, named(name), quiet)))
    await using own = openAt(url!, mine)
    await own.query('create table more (n integer)')
    const forbidden = [
      `select * from ${theirs}.outbox`,
      `insert into ${theirs}.inbox values ('a', 'b', 'c')`,
      `create table ${theirs}.more (n integer)`,
      'create table public.more (n integer)',
      'create schema another',
      'create role another',
      `drop schema ${theirs} cascade`
    ]
    for (const statement of forbidden) await assert.rejects(own.query(statement), { code: '42501' }, statement)
    const [row] = await own.query('select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user')
    assert.deepEqual(row, { rolsuper: false, rolcreaterole: false, rolcreatedb: false })
  }))

test('the password of a service follows that of the administrator, and works again when that has changed', () =>
  withNames(2, async (...names: string[]) => {
    const [name, boss] = names as [string, string]
    await using database = await createTestDatabase()
    await shared.query(`create role ${boss} superuser login password 'old'`)
    const before = await migrate(as(database.url, boss, 'old'), named(name), quiet)
    assert.equal(await migrate(as(database.url, boss, 'old'), named(name), quiet), before)
    assert.doesNotMatch(before, /old/)
    await shared.query(`alter role ${boss} password 'new'`)
    const after = await Promise.all([1, 2, 3].map(() => migrate(as(database.url, boss, 'new'), named(name), quiet)))
    assert.equal(new Set(after).size, 1)
    assert.notEqual(after[0], before)
    assert.deepEqual(await applied(after[0]!, name), platforms)
    await assert.rejects(applied(before, name), { code: '28P01' })
  }))

test('an administrator who may create roles and schemas need not be a superuser', () =>
  withNames(2, async (...names: string[]) => {
    const [name, boss] = names as [string, string]
    await using database = await createTestDatabase()
    await shared.query(`create role ${boss} createrole login password 'boss'`)
    await shared.query(`grant create on database ${new URL(database.url).pathname.slice(1)} to ${boss}`)
    const url = await migrate(as(database.url, boss, 'boss'), named(name), quiet)
    assert.equal(await migrate(as(database.url, boss, 'boss'), named(name), quiet), url)
    await shared.query(`alter role ${boss} password 'other'`)
    const later = await migrate(as(database.url, boss, 'other'), named(name), quiet)
    assert.deepEqual(await applied(later, name), platforms)
  }))

test('a migration whose process is killed leaves nothing half done, and the next one finishes it', () =>
  withNames(1, async (name: string) => {
    await using database = await createTestDatabase()
    await using folder = await folderOf('create table steps (n integer)', 'insert into steps values (1); select pg_sleep(60)')
    await using quick = await folderOf('create table steps (n integer)', 'insert into steps values (1)')
    await using admin = openAt(database.url, 'public')
    for (let kills = 0; kills < 3; kills++) {
      await using part = startPart('migrate', database.url, name, folder.href)
      const sleeping = `select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
      if (kills === 0)
        await eventually(
          () => admin.query(sleeping),
          rows => rows.length === 1
        )
      else await delay(Math.random() * 600)
      await part.kill()
      // The server would go on sleeping for the dead.
      await admin.query(`select pg_terminate_backend(pid, 5000) from (${sleeping}) sleepers`)
    }
    const url = await migrate(database.url, { name, migrations: new URL(quick.href) }, quiet)
    assert.deepEqual(await applied(url, name), [...platforms, '0002-step', '0003-step'])
    await using own = openAt(url, name)
    assert.deepEqual(await own.query('select n from steps'), [{ n: 1 }])
  }))

test('migrations of a service of which one fails are undone whole, and say why', () =>
  withNames(1, async (name: string) => {
    await using database = await createTestDatabase()
    await using folder = await folderOf('create table steps (n integer)', 'insert into steps values (1, 2)')
    const migrations = new URL(folder.href)
    await assert.rejects(migrate(database.url, { name, migrations }, quiet), /more expressions than target columns/)
    await using admin = openAt(database.url, name)
    assert.deepEqual(await admin.query(`select from pg_tables where schemaname = $1 and tablename = 'steps'`, [name]), [])
  }))
