/** What a run needs: PostgreSQL, our service with production defaults, and the servers that it is compared with. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { startEmbeddedPostgres } from '#platform/embedded-postgres.ts'
import { fetchToken, type HttpClient, openHttpClient } from '#platform/http-client.ts'

/** A Product Service with a product in it. */
export type Shop = { url: string; pid: number; token: string; productId: string; variantId: string; client: HttpClient }

export interface Scene extends AsyncDisposable {
  /** Starts a Product Service of some roles on a database of its own, with a product in it. */
  openShop(name: string, roles: readonly string[]): Promise<Shop>
  /** Starts a static server of the bytes that a shop answers for its product. */
  serveBytes(shop: Shop): Promise<string>
  staticPid(): number
  transactionUrl: string
  transactionPid: number
  databaseUrl: string
  postgresPid: number
}

export async function openScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack()
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  const settings = { shared_buffers: '512MB', max_wal_size: '8GB' }
  const postgres = stack.use(await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres'), settings }))
  const transactions = await start(stack, ['bench/transaction-server.ts'], { DATABASE_URL: postgres.url })
  let staticPid = 0
  const running = stack.move()
  return {
    openShop: async (name, roles) => openShop(running, dataDir, await createDatabase(postgres.url, name), roles),
    async serveBytes({ client, productId }) {
      const { body } = await client.call('GET', `/v1/products/${productId}`)
      const fixed = await start(running, ['bench/static-server.ts'], { BODY: JSON.stringify(body) })
      staticPid = fixed.pid
      return fixed.line
    },
    staticPid: () => staticPid,
    transactionUrl: transactions.line,
    transactionPid: transactions.pid,
    databaseUrl: postgres.url,
    postgresPid: postgres.pid,
    [Symbol.asyncDispose]: () => running.disposeAsync()
  }
}

async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const client = new pg.Client(serverUrl)
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** Starts a service with every setting at its default, and the issuer that it needs; the neighbours stay away. */
async function openShop(
  stack: AsyncDisposableStack,
  dataDir: string,
  databaseUrl: string,
  roles: readonly string[]
): Promise<Shop> {
  const { pid, urls } = await startService(stack, join(dataDir, `${roles.join()}.log`), databaseUrl, ['user', ...roles])
  const url = new URL(urls.product!).origin
  const credentials = { tokenUrl: `${new URL(urls.user!).origin}/oauth/token`, clientId: 'admin', clientSecret: 'admin-secret' }
  const client = stack.use(openHttpClient({ url, credentials }))
  const created = await client.call<{ productId: string; variants: { variantId: string }[] }>('POST', '/v1/products', {
    body: sampleProduct
  })
  const { productId, variants } = created.body
  return { url, pid, token: (await fetchToken(credentials)).value, productId, variantId: variants[0]!.variantId, client }
}

/** Waits until every event of a service is published. */
export async function relayed({ url }: Shop): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const waiting = [...metrics.matchAll(/^messaging_(?:outbox_pending|outlet_lag)\{service="product"\} (\d+)/gm)].map(match =>
      Number(match[1])
    )
    if (waiting.every(count => count === 0)) return
    await delay(100)
  }
}

/** About 1.4 kB as it is served: three variants with a price each. */
const sampleProduct = {
  title: 'Trail shoe',
  status: 'active',
  brand: 'Fernweg',
  description: 'A light shoe for stony paths, with a sole that grips on wet rock and dries in an hour. '.repeat(2),
  attributes: { material: 'mesh', waterproof: false, weightGrams: 280 },
  options: [{ name: 'Size', values: ['41', '42', '43'] }],
  variants: ['41', '42', '43'].map(size => ({
    sku: `SHOE-${size}`,
    options: { Size: size },
    prices: [{ amount: '89.90', currency: 'EUR' }],
    inventory: { onHand: 1_900_000_000 }
  }))
}

type ReadyLine = { unit: string; msg: string; urls: Record<string, string> }

/** Starts our service, its log in a file as a supervisor would have it, and waits for the line that says ready. */
async function startService(
  stack: AsyncDisposableStack,
  logFile: string,
  databaseUrl: string,
  roles: readonly string[]
): Promise<{ pid: number; urls: Record<string, string> }> {
  const log = await open(logFile, 'w')
  const environment = { ...process.env, DATABASE_URL: databaseUrl, PORT: '0', LOG_FORMAT: 'json' }
  const child = spawn(process.execPath, ['src/main.ts', ...roles], {
    env: environment,
    stdio: ['ignore', log.fd, 'inherit']
  })
  stack.defer(() => stop(child))
  await log.close()
  while (child.exitCode === null) {
    const lines = (await readFile(logFile, 'utf8')).split('\n').slice(0, -1)
    const ready = lines.map(line => JSON.parse(line) as ReadyLine).find(line => line.unit === 'process' && line.msg === 'ready')
    if (ready) return { pid: child.pid!, urls: ready.urls }
    await delay(50)
  }
  throw new Error(`the service ended with ${child.exitCode}`)
}

/** Starts a Node process and waits for its first line on standard output. */
async function start(
  stack: AsyncDisposableStack,
  args: string[],
  environment: Record<string, string>
): Promise<{ pid: number; line: string }> {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'inherit'] })
  stack.defer(() => stop(child))
  const lines = createInterface({ input: child.stdout })
  const [line] = (await Promise.race([
    once(lines, 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${args[0]} ended with ${code}`)))
  ])) as [string]
  child.stdout.resume()
  return { pid: child.pid!, line }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}
