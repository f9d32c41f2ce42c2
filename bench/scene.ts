/** What a run stands on: PostgreSQL that waits for the disk, an issuer of tokens, and databases and servers for each group of cases. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { removeEmbeddedPostgres, startEmbeddedPostgres } from '#platform/postgres/embedded-postgres.ts'
import { fillCatalog } from '../test/support/full-catalog.ts'
import type { Peers } from './peers.ts'
import { startServer } from './processes.ts'
import { saying } from './progress.ts'
import { findPgbench, type Pgbench } from './rivals/pgbench.ts'
import { type Issuer, type Shop, startIssuer, startShop } from './shop.ts'

/** How long and how often, and how much of everything there is. */
export type Size = {
  rounds: number
  seconds: number
  /** Of the catalog that is read; the full-size group has its own. */
  products: number
  skus: number
  imported: number
  /** That go through a broker in one shot. */
  events: number
  fullCatalog: { products: number; variants: number }
}

export type Scene = {
  size: Size
  peers: Peers
  postgresUrl: string
  postgresPid: number
  pgbench: Pgbench
  /** Ends with the group of cases that it was made for. */
  stack: AsyncDisposableStack
  createDatabase(name: string): Promise<string>
  /** It ends with the group, or with a stack of its own. */
  startShop(
    databaseUrl: string,
    roles: readonly string[],
    settings?: Record<string, string>,
    stack?: AsyncDisposableStack
  ): Promise<Shop>
  /** Starts a server that our service is compared with. */
  startRival(file: string, environment: Record<string, string>): Promise<{ url: string; pid: number }>
}

export interface Stage extends AsyncDisposable {
  postgresVersion: string
  pgbench: Pgbench
  /** For one group; it ends with its stack, or with the stage. */
  scene(): Scene
}

/** Opens what all groups share. */
export async function openStage(options: { size: Size; peers: Peers }): Promise<Stage> {
  await using stack = new AsyncDisposableStack()
  using _ = saying('starting PostgreSQL')
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-'))
  stack.defer(() => removeEmbeddedPostgres(dataDir))
  const settings = { shared_buffers: '512MB', max_wal_size: '8GB' }
  const postgres = stack.use(await startEmbeddedPostgres({ dataDir, settings }))
  const query = (sql: string) => queryOnce(postgres.url, sql)
  const [version] = await query('show server_version')
  let issuer: Promise<Issuer> | undefined
  const createDatabase = async (name: string) => {
    await query(`create database ${name}`)
    return Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href
  }
  const running = stack.move()
  const pgbench = await findPgbench()
  return {
    postgresVersion: String(version!.server_version),
    pgbench,
    scene() {
      const own = new AsyncDisposableStack()
      running.defer(() => own.disposeAsync())
      return {
        ...options,
        postgresUrl: postgres.url,
        postgresPid: postgres.pid,
        pgbench,
        stack: own,
        createDatabase,
        async startShop(databaseUrl, roles, settings = {}, stack = own) {
          issuer ??= createDatabase('issuer').then(url => startIssuer(running, url))
          return startShop(stack, { databaseUrl, issuer: await issuer, roles, settings })
        },
        async startRival(file, environment) {
          const { pid, line } = await startServer(own, [`bench/rivals/${file}`], environment)
          return { url: line, pid }
        }
      }
    },
    [Symbol.asyncDispose]: () => running.disposeAsync()
  }
}

async function queryOnce(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** Fills the catalog of a shop, with three variants a product, and gives some of its products' ids. */
export async function fill(shop: Shop, products: number, variants = products * 3): Promise<string[]> {
  using _ = saying(`writing ${products.toLocaleString('en-US')} products`)
  await fillCatalog(shop.database, { products, variants })
  const rows = await shop.database.query<{ product_id: string }>('select product_id from products order by product_id limit 1000')
  return rows.map(row => row.product_id)
}
