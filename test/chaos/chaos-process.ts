/**
 * One process of a world: `node chaos-process.ts PART` with what it needs as JSON in CHAOS. It says `ready`, arms failpoints that lines of
 * its input name, and ends at SIGTERM by having nothing left to do: what it leaked would keep it alive.
 */
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Broker } from '#broker/broker.ts'
import { armFailpoints } from '#platform/failpoint.ts'
import type { PartName, ProcessOptions } from './supervised.ts'

const options = JSON.parse(process.env.CHAOS!) as ProcessOptions
const { brokerUrl, skewMs = 0 } = options
if (skewMs !== 0) skewClock()

const parts: Record<PartName, (stack: AsyncDisposableStack) => Promise<void>> = {
  /** Moves counters at a pace; prints the attempts that are committed. */
  async writer(stack) {
    const [{ counterMoved, openCounting }, { startWriters }, { openWakeup }] = await Promise.all([
      import('./counting.ts'),
      import('./writers.ts'),
      import('#platform/messaging/wakeup.ts')
    ])
    let outbox: ReturnType<typeof openWakeup> | undefined
    const database = stack.use(openCounting(options.databaseUrl, options.load.writers, () => outbox?.wake()))
    outbox = openWakeup(database, 'outbox')
    stack.use(startWriters(database, counterMoved(options.topic), options.load, attempt => process.stdout.write(`${attempt}\n`)))
  },

  async relay(stack) {
    const service = stack.use(await openService(stack.use(await openBroker())))
    stack.use(await service.start('relay', { port: 0 }))
  },

  async consumer(stack) {
    const service = stack.use(await openService(stack.use(await openBroker())))
    stack.use(await patiently(() => service.start('consumers', { port: 0 })))
  },

  async api(stack) {
    const service = stack.use(await openService(none))
    const { url } = stack.use(await service.start('api', { port: options.port ?? 0 }))
    process.stdout.write(`url ${url}\n`)
  }
}

/** An API has no business with the broker. */
const none: Broker = {
  system: 'postgresql',
  publish: () => Promise.reject(new Error('nothing to publish')),
  subscribe: () => Promise.reject(new Error('nothing to subscribe to')),
  async [Symbol.asyncDispose]() {}
}

async function openBroker(): Promise<Broker> {
  const { openBroker } = await import('#broker/open.ts')
  const broker = await patiently(() => openBroker({ url: brokerUrl }))
  if (!options.faults) return broker
  return (await import('#broker/faulty.ts')).faulty(broker, options.faults)
}

async function openService(broker: Broker) {
  const { openCountingService } = await import('./counting-service.ts')
  return patiently(() => openCountingService(options, broker))
}

/** A process that starts while something is away waits for it, as its supervisor would by starting it again. */
async function patiently<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (const deadline = Date.now() + 60_000; ; await delay(200)) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
  }
}

function skewClock(): void {
  const RealDate = Date
  globalThis.Date = class extends RealDate {
    constructor(...given: [] | [string]) {
      super(given.length === 0 ? RealDate.now() + skewMs : given[0]!)
    }
    static override now(): number {
      return RealDate.now() + skewMs
    }
  } as DateConstructor
}

const stack = new AsyncDisposableStack()
const input = createInterface({ input: process.stdin }).on('line', line => armFailpoints(line))
// The world ended without a word.
input.once('close', () => process.exit(2))
const stopping = new Promise(resolve => process.once('SIGTERM', resolve))
await parts[process.argv[2] as PartName](stack)
process.stdout.write('ready\n')
await stopping
await stack.disposeAsync()
input.removeAllListeners('close').close()
process.stdin.destroy()
