/** pgbench's own transaction on one row: what PostgreSQL itself does without batching, with nothing in between. */
import { execFile } from 'node:child_process'
import { glob, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scene } from './scene.ts'

const run = promisify(execFile)

const transaction = `begin;
update bench.stock set reserved = reserved + 1 where id = 1 and on_hand - reserved >= 1;
insert into bench.reservation values (gen_random_uuid(), 1, 1);
commit;
`

/** Transactions per second with 32 clients, measured anew at each call; undefined where pgbench is not installed. */
export async function onPgbench(scene: Pick<Scene, 'databaseUrl'>, seconds: number): Promise<(() => Promise<number>) | undefined> {
  const program = process.env.PGBENCH ?? (await installed())
  if (!program) return undefined
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pgbench-'))
    try {
      const file = join(folder, 'transaction.sql')
      await writeFile(file, transaction)
      const { stdout } = await run(program, [
        '-n',
        '-M',
        'prepared',
        '-c',
        '32',
        '-j',
        '2',
        '-T',
        String(seconds),
        '-f',
        file,
        scene.databaseUrl
      ])
      return Number(/tps = ([0-9.]+)/.exec(stdout)?.[1])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}

async function installed(): Promise<string | undefined> {
  const found: string[] = []
  for await (const path of glob('/usr/lib/postgresql/*/bin/pgbench')) found.push(path)
  return found.sort().at(-1)
}
