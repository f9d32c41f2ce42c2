/**
 * A world of webhooks: a PostgreSQL of its own, API and relay of the Product Service in this process, the role `product.webhooks` twice as
 * the program that it is, receivers of every kind, and a name server.
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Broker } from '#broker/broker.ts'
import { until } from '#broker/conformance-kit.ts'
import { readConfig } from '#platform/config.ts'
import { openDatabase, type Row } from '#platform/postgres/database.ts'
import { openService } from '#platform/service.ts'
import { productService } from '../../src/services/product/service.ts'
import { type CrashablePostgres, startCrashablePostgres } from '../support/postgres-crashable.ts'
import { trusting } from '../support/service.ts'
import { quiet } from './counting.ts'
import { type Supervised, superviseCommand } from './supervised.ts'
import { kinds, NAMED, type Receivers, startReceivers } from './webhook-receivers.ts'
import { startCategoryWriters, type Written } from './webhook-writers.ts'
import { answered, once } from './world.ts'

/** What a name leads to; null: there is no such name. */
export type Names = Record<string, string | null>

export type WebhookWorld = AsyncDisposable & {
  postgres: CrashablePostgres
  receivers: Receivers
  written: Written
  /** Id of the endpoint → its name. */
  endpoints: ReadonlyMap<string, string>
  /** Those that run, of the role `product.webhooks`. */
  processes: Supervised[]
  /** What they have done wrong. */
  complaints: string[]
  /** How many tries of one delivery may have ended without a record. */
  unrecordedMax: number
  startProcess(): Promise<Supervised>
  setNames(names: Names): Promise<void>
  /** As the superuser; asks again while the database is away. */
  ask<R extends Row>(sql: string, values?: readonly unknown[]): Promise<R[]>
  /** Waits until so many more events have arrived at each endpoint that is well and gets all of them. */
  progress(count?: number): Promise<void>
  stopWriting(): Promise<void>
}

/** Longer than the breaker of an endpoint rests, which opens where this machine stands still for as long as a receiver may take. */
const PROGRESS_MS = 90_000
const GOES_ON = 12

/** Tries follow one another quickly, and are not given up within the test. */
const settings = {
  ...{ NODE_ENV: 'test', PORT: '0', LOG_FORMAT: 'json', WEBHOOK_ALLOW_HTTP: '1', WEBHOOK_ALLOW_PRIVATE: '1' },
  WEBHOOK_TIMEOUT_MS: '1000',
  WEBHOOK_RETRY_DELAYS_MS: Array.from({ length: 200 }, () => 200).join()
}

export async function openWebhookWorld(chance: () => number): Promise<WebhookWorld> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'webhook-world-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const postgres = stack.use(await startCrashablePostgres())
  // It is crashed, the machine is not.
  await postgres.waitForDisk(false)
  await once(postgres.url, 'create database webhooks')
  const databaseUrl = Object.assign(new URL(postgres.url), { pathname: '/webhooks' }).href
  const receivers = stack.use(await startReceivers(chance, folder))

  const service = stack.use(
    await openService(productService, {
      config: readConfig({ ...settings, LOG_LEVEL: 'silent' }),
      ...{ log: quiet, databaseUrl, broker, authenticator: trusting, urls: {}, baseUrl: 'http://localhost:8080' }
    })
  )
  const { url } = stack.use(await service.start('api', { port: 0 })) as { url: string } & AsyncDisposable
  stack.use(await service.start('relay', { port: 0 }))
  const sql = stack.use(openDatabase({ url: databaseUrl, schema: 'product', poolSize: 4, log: quiet }))
  const endpoints = await createEndpoints(url, receivers)

  const namesFile = join(folder, 'names.json')
  const written: Written = { acknowledged: [], takenBack: [] }
  const complaints: string[] = []
  const processes: Supervised[] = []
  stack.defer(async () => void (await Promise.all(processes.map(each => each.stop()))))
  const writers = stack.use(startCategoryWriters(url, sql, chance, written))

  const world: Omit<WebhookWorld, typeof Symbol.asyncDispose> = {
    ...{ postgres, receivers, written, endpoints, processes, complaints },
    unrecordedMax: 0,
    async startProcess() {
      const env = { ...settings, LOG_LEVEL: 'info', DATABASE_URL: databaseUrl, NAMES: namesFile }
      const command = { part: 'product.webhooks', args: ['webhooks-process.ts', 'product.webhooks'], env, saysReady }
      const started = superviseCommand(command, complaints)
      processes.push(started)
      await started.ready()
      return started
    },
    async setNames(names) {
      await writeFile(`${namesFile}.new`, JSON.stringify(names))
      await rename(`${namesFile}.new`, namesFile)
    },
    ask: (text, values) => answered(sql, text, values),
    async progress(count = GOES_ON) {
      const names = kinds.filter(({ healthy, types }) => healthy && types.length > 1).map(({ name }) => name)
      const enough = names.map(name => ({ name, count: receivers.taken(name) + count }))
      await until(
        `${count} more events at ${names.join(' and ')}`,
        () => {
          if (writers.failed()) throw writers.failed()
          return enough.every(each => receivers.taken(each.name) >= each.count)
        },
        PROGRESS_MS
      )
    },
    async stopWriting() {
      await writers[Symbol.asyncDispose]()
    }
  }
  await world.setNames({ [NAMED]: '127.0.0.1' })
  const owned = stack.move()
  return Object.assign(world, { [Symbol.asyncDispose]: () => owned.disposeAsync() })
}

const saysReady = (line: string) => line.includes('"unit":"process"') && line.includes('"msg":"ready"')

/** Webhooks have no business with it. */
const broker: Broker = {
  system: 'postgresql',
  publish: async () => {},
  subscribe: async () => ({ async [Symbol.asyncDispose]() {} }),
  async [Symbol.asyncDispose]() {}
}

/** Before anything happens, so that everything is for them. */
async function createEndpoints(url: string, { urls, secrets }: Receivers): Promise<Map<string, string>> {
  const names = new Map<string, string>()
  for (const [name, address] of urls) {
    const { types = ['CategoryUpdated'], ordered = false } = kinds.find(kind => kind.name === name) ?? {}
    const asked = { url: address, eventTypes: types, ordering: ordered ? 'key' : 'none' }
    const response = await fetch(`${url}/v1/webhook-endpoints`, {
      method: 'POST',
      headers: { authorization: 'Bearer anybody', 'content-type': 'application/json' },
      body: JSON.stringify(asked)
    })
    const body = (await response.json()) as { webhookEndpointId: string; secret: string }
    if (response.status !== 201) throw new Error(`${name}: ${JSON.stringify(body)}`)
    names.set(body.webhookEndpointId, name)
    secrets.set(name, body.secret)
  }
  return names
}
