/** A row transaction on PostgreSQL itself, with nothing in between: by pgbench, and where that is missing by a driver of our own. */
import { execFile } from 'node:child_process'
import { glob, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { Case } from '../measure.ts'
import { cpuSecondsOf } from '../processes.ts'
import type { Scene } from '../scene.ts'

const run = promisify(execFile)

export type Pgbench = { program: string | undefined; version: string }

/** The program that PGBENCH names, else Debian's newest, else none. */
export async function findPgbench(): Promise<Pgbench> {
  const program = process.env.PGBENCH ?? (await installed())
  if (!program) return { program, version: 'none: a driver of our own takes its place, weaker, so those ratios flatter us' }
  const { stdout } = await run(program, ['--version'])
  return { program, version: stdout.trim() }
}

async function installed(): Promise<string | undefined> {
  const found: string[] = []
  for await (const path of glob('/usr/lib/postgresql/*/bin/pgbench')) found.push(path)
  return found.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
}

export const CLIENTS = 32

const transaction = `\\set id random(1, :rows)
begin;
update bench.stock set reserved = reserved + 1 where id = :id and on_hand - reserved >= 1;
insert into bench.reservation values (gen_random_uuid(), :id, 1);
commit;
`

export async function createStock({ postgresUrl }: Scene, rows: number): Promise<void> {
  await withClient(postgresUrl, async client => {
    await client.query(`
      create schema if not exists bench;
      create table bench.stock (id integer primary key, on_hand integer not null, reserved integer not null default 0,
        check (reserved <= on_hand)) with (fillfactor = 50);
      create table bench.reservation (id uuid primary key, stock_id integer not null, quantity integer not null);
      insert into bench.stock (id, on_hand) select n, 2000000000 from generate_series(1, ${rows}) n`)
    await client.query('vacuum analyze bench.stock')
  })
}

/** Hold a unit of one of so many rows, record it, commit: 32 clients, prepared statements. */
export function pgbenchCase(scene: Scene, name: string, rows: number): Case {
  const { pgbench, postgresUrl, postgresPid, size } = scene
  return {
    name: pgbench.program ? `pgbench, ${name}` : `our own driver for want of pgbench, ${name}`,
    async shoot() {
      await withClient(postgresUrl, client => client.query('truncate bench.reservation'))
      const before = cpuSecondsOf([postgresPid])
      const perSecond = await (pgbench.program
        ? byPgbench(pgbench.program, postgresUrl, rows, size.seconds)
        : byOurselves(postgresUrl, rows, size.seconds))
      return {
        'per s': perSecond,
        'PG CPU ms': ((cpuSecondsOf([postgresPid]) - before) * 1000) / (perSecond * size.seconds)
      }
    }
  }
}

async function byPgbench(program: string, url: string, rows: number, seconds: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'pgbench-'))
  try {
    const file = join(folder, 'transaction.sql')
    await writeFile(file, transaction)
    const options = { '-M': 'prepared', '-c': CLIENTS, '-j': 2, '-T': Math.ceil(seconds), '-D': `rows=${rows}`, '-f': file }
    const { stdout } = await run(program, ['-n', ...Object.entries(options).flat().map(String), url])
    return Number(/tps = ([0-9.]+)/.exec(stdout)?.[1])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The same transaction in the same round trips. */
async function byOurselves(url: string, rows: number, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000
  let done = 0
  const client = () =>
    withClient(url, async client => {
      const statement = (name: string, text: string, values: unknown[]) => client.query({ name, text, values })
      while (performance.now() < until) {
        const id = 1 + Math.floor(Math.random() * rows)
        await client.query('begin')
        await statement('hold', 'update bench.stock set reserved = reserved + 1 where id = $1 and on_hand - reserved >= 1', [id])
        await statement('record', 'insert into bench.reservation values (gen_random_uuid(), $1, 1)', [id])
        await client.query('commit')
        done++
      }
    })
  await Promise.all(Array.from({ length: CLIENTS }, client))
  return done / seconds
}

async function withClient<Result>(url: string, use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}
