/** Product Services to measure, in production mode with every setting at its default, and the issuer whose tokens they take. */
import { spawn } from 'node:child_process'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Credentials, fetchToken, type HttpClient, openHttpClient } from '#platform/http/http-client.ts'
import { openLog } from '#platform/log.ts'
import { type Database, openDatabase } from '#platform/postgres/database.ts'
import { stop } from './processes.ts'

/** A process that runs roles of the Product Service. */
export type Shop = {
  /** `http://127.0.0.1:4123`; of no use where the API is not among its roles. */
  url: string
  /** Of the gateway, where that is among its roles. */
  gatewayUrl: string
  pid: number
  /** From the start of the process to its being ready. */
  startMs: number
  headers: { authorization: string }
  client: HttpClient
  /** A superuser's door to its tables. */
  database: Database
}

export interface Issuer {
  url: string
  credentials: Credentials
}

/** Starts the development issuer, in a process of its own: what it takes is not the Product Service's. */
export async function startIssuer(stack: AsyncDisposableStack, databaseUrl: string): Promise<Issuer> {
  const { line } = await startRoles(stack, ['user'], { DATABASE_URL: databaseUrl })
  const url = new URL(line.urls.user!).origin
  // The issuer's name is the address at which people reach it, the port is that of its process.
  return {
    url: `${line.url}/oauth`,
    credentials: { tokenUrl: `${url}/oauth/token`, clientId: 'admin', clientSecret: 'admin-secret' }
  }
}

const log = openLog({ LOG_LEVEL: 'error', LOG_FORMAT: 'json' })

/** Starts roles of the Product Service on a database, `product` standing for all of them. */
export async function startShop(
  stack: AsyncDisposableStack,
  options: { databaseUrl: string; issuer: Issuer; roles: readonly string[]; settings: Record<string, string> }
): Promise<Shop> {
  const { databaseUrl, issuer } = options
  const { line, pid, startMs } = await startRoles(stack, options.roles, {
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    ISSUER_URL: issuer.url,
    JWKS_URL: issuer.credentials.tokenUrl.replace('/token', '/jwks'),
    SIGNING_KEY_SECRET: 'for the time of a bench and for nothing else',
    EVENT_SIGNATURES: 'product.events=require,order.events=warn,user.events=warn',
    USER_CHECKS: 'off',
    ...options.settings
  })
  const url = line.urls.product ? new URL(line.urls.product).origin : line.url
  const { value } = await fetchToken(issuer.credentials)
  return {
    url,
    gatewayUrl: line.url,
    pid,
    startMs,
    headers: { authorization: `Bearer ${value}` },
    client: stack.use(openHttpClient({ url, credentials: issuer.credentials })),
    database: stack.use(openDatabase({ url: databaseUrl, schema: 'product', poolSize: 2, log }))
  }
}

type ReadyLine = { unit: string; msg: string; url: string; urls: Record<string, string> }

/** Starts the program as `npm start` does, its log in a file as a supervisor would have it, and waits for the line that says ready. */
async function startRoles(
  stack: AsyncDisposableStack,
  roles: readonly string[],
  settings: Record<string, string>
): Promise<{ line: ReadyLine; pid: number; startMs: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-log-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const logFile = join(folder, 'log')
  const log = await open(logFile, 'w')
  const started = performance.now()
  const child = spawn(process.execPath, [join(import.meta.dirname, '../src/start.js'), ...roles], {
    env: { ...ownEnvironment(), PORT: '0', LOG_FORMAT: 'json', ...settings },
    stdio: ['ignore', log.fd, 'inherit']
  })
  stack.defer(() => stop(child))
  await log.close()
  while (child.exitCode === null) {
    const lines = (await readFile(logFile, 'utf8')).split('\n').slice(0, -1)
    const line = lines.map(text => JSON.parse(text) as ReadyLine).find(each => each.unit === 'process' && each.msg === 'ready')
    if (line) return { line, pid: child.pid!, startMs: performance.now() - started }
    await delay(5)
  }
  throw new Error(`${roles.join(' ')} ended with ${child.exitCode}: ${await readFile(logFile, 'utf8')}`)
}

/** Without the settings of whoever runs the bench: those at their defaults are what is measured. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'SystemRoot', 'NODE_OPTIONS', 'NODE_COMPILE_CACHE']
  return Object.fromEntries(kept.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
}
