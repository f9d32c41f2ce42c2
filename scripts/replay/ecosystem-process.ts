/** The whole ecosystem as a process of its own, on a database of its own: what the replay plays on, and kills. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/support/free-port.ts'

export interface EcosystemProcess extends AsyncDisposable {
  url: string
  /** For a superuser. */
  databaseUrl: string
  /** Kills it without a warning and starts it again on the same data. Resolves when it is ready. */
  killAndRestart(): Promise<void>
  /** Rejects when it ends by itself. */
  ended: Promise<never>
  /** Its last lines of output, and how many errors it logged. */
  said: { lastLines: string[]; errors: number }
  /** How often it was killed. */
  kills(): number
  /** Messages that its consumers have handled since it was started last, and those of them that they knew already and refused. */
  consumed(): Promise<{ messages: number; duplicates: number }>
}

export type EcosystemOptions = {
  /** The embedded database goes below it, unless `databaseUrl` names another. */
  dataDir: string
  databaseUrl?: string | undefined
  /** Without it the database carries the messages. */
  brokerUrl?: string | undefined
  /** shuffle, duplicate, delay */
  eventFaults: readonly string[]
}

const READY_WITHIN_MS = 120_000
const STOP_WITHIN_MS = 15_000
const LINES_KEPT = 30
const LAST_WORDS_MS = 100

export async function startEcosystemProcess(options: EcosystemOptions): Promise<EcosystemProcess> {
  const { dataDir, databaseUrl, brokerUrl, eventFaults } = options
  const port = await freePort()
  const url = `http://localhost:${port}`
  const env = {
    ...process.env,
    NODE_ENV: 'development',
    PORT: String(port),
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl ?? '',
    BROKER_URL: brokerUrl ?? '',
    SAMPLE_CATALOG: '0',
    // One client plays what many did.
    RATE_LIMIT_CLIENT_PER_MINUTE: '0',
    LOG_LEVEL: 'warn',
    LOG_FORMAT: 'json',
    EVENT_FAULTS: eventFaults.join(',')
  }
  const said = { lastLines: [] as string[], errors: 0 }
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  let ending = false
  let disposed = false
  let kills = 0
  let child = launch()

  function launch(): ChildProcess {
    // In a group of its own: a Ctrl-C is for the replay, which then stops it in order.
    const started = spawn(process.execPath, [main], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [started.stdout!, started.stderr!]) createInterface(stream).on('line', note)
    started.once('exit', async (code, signal) => {
      if (ending) return
      // What it said last may still be on its way.
      await delay(LAST_WORDS_MS)
      ended.reject(new Error(`The ecosystem ended by itself (${signal ?? code}):\n${said.lastLines.join('\n')}`))
    })
    return started
  }

  function note(line: string): void {
    if (/^\{"level":(50|60)/.test(line)) said.errors++
    // Its welcome, with a token, is for people.
    if (!line.startsWith('{') && !line.includes('Error')) return
    said.lastLines = [...said.lastLines.slice(1 - LINES_KEPT), line]
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    ending = true
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
    await exited
    clearTimeout(impatience)
  }

  const ready = () => Promise.race([untilReady(url), ended.promise])
  try {
    await ready()
  } catch (error) {
    await end('SIGKILL')
    throw error
  }
  return {
    url,
    databaseUrl: databaseUrl ?? (await embeddedUrl(dataDir)),
    said,
    ended: ended.promise,
    kills: () => kills,
    async consumed() {
      const metrics = await (await fetch(`${url}/metrics`)).text()
      const count = (labels: string) =>
        metrics
          .matchAll(new RegExp(`^messaging_consumed_messages_total\\{.*${labels}.*\\} (\\d+)$`, 'gm'))
          .reduce((total, [, count]) => total + Number(count), 0)
      return { messages: count(''), duplicates: count('outcome="duplicate"') }
    },
    async killAndRestart() {
      await end('SIGKILL')
      if (disposed) return
      kills++
      ending = false
      child = launch()
      await ready()
    },
    async [Symbol.asyncDispose]() {
      disposed = true
      await end('SIGTERM')
    }
  }
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

async function untilReady(url: string): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  for (;;) {
    const ready = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5000) }).catch(() => undefined)
    await ready?.body?.cancel()
    if (ready?.ok) return
    if (Date.now() > deadline) throw new Error(`The ecosystem is not ready after ${READY_WITHIN_MS / 1000} s`)
    await delay(50)
  }
}

/** As the embedded database notes it for whoever comes next. */
async function embeddedUrl(dataDir: string): Promise<string> {
  const noted = async (name: string) => (await readFile(join(dataDir, 'postgres', name), 'utf8')).trim()
  return `postgres://postgres:${await noted('password')}@127.0.0.1:${await noted('port')}/postgres`
}
