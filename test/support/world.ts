/** The program as people run it: child processes of `src/main.ts` on a database of their own, reached over HTTP. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { type HttpClient, openHttpClient } from '#platform/http/http-client.ts'
import { createTestDatabase } from './postgres.ts'

export interface Running extends AsyncDisposable {
  /** The gateway, or the one API that runs here. */
  url: string
  /** Each service's address with its version prefix. */
  urls: Record<string, string>
  pid: number
  kill(signal: NodeJS.Signals): Promise<void>
}

export interface World extends AsyncDisposable {
  databaseUrl: string
  /** Starts a process with some roles (none: all) and waits until it says ready. */
  start(roles?: readonly string[], settings?: Record<string, string>): Promise<Running>
  /** A client with every scope, of a process that runs the gateway or the User Service. */
  client(url: string, tokenUrl?: string): HttpClient
}

type LogLine = { unit: string; msg: string; url: string; urls: Record<string, string> }

export async function openWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const { url: databaseUrl } = stack.use(await createTestDatabase())
  const owned = stack.move()
  return {
    databaseUrl,
    async start(roles = [], settings = {}) {
      const defaults = { DATABASE_URL: databaseUrl, PORT: '0', LOG_FORMAT: 'json', LOG_LEVEL: 'info', SAMPLE_CATALOG: '0' }
      const child = spawn(process.execPath, ['src/main.ts', ...roles], {
        env: { ...process.env, ...defaults, ...settings },
        stdio: ['ignore', 'pipe', 'inherit']
      })
      owned.defer(() => end(child, 'SIGTERM'))
      const { url, urls } = await readyLine(child)
      const kill = (signal: NodeJS.Signals) => end(child, signal)
      return { url, urls, pid: child.pid!, kill, [Symbol.asyncDispose]: () => kill('SIGTERM') }
    },
    client: (url, tokenUrl = `${url}/oauth/token`) =>
      owned.use(
        openHttpClient({ url, connections: 64, credentials: { tokenUrl, clientId: 'admin', clientSecret: 'admin-secret' } })
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}

async function readyLine(child: ChildProcess): Promise<LogLine> {
  for await (const text of createInterface({ input: child.stdout! })) {
    const line = text.startsWith('{') ? (JSON.parse(text) as LogLine) : undefined
    if (line?.unit === 'process' && line.msg === 'ready') {
      child.stdout!.resume()
      return line
    }
  }
  throw new Error(`the program ended with ${child.exitCode ?? child.signalCode}`)
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

/** Asks until the answer is as wanted, and gives it back; says the last answer when it never is. */
export async function eventually<Answer>(
  ask: () => Promise<Answer>,
  wanted: (answer: Answer) => boolean,
  timeoutMs = 20_000
): Promise<Answer> {
  const giveUpAt = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (wanted(answer)) return answer
    if (Date.now() > giveUpAt) throw new Error(`not in ${timeoutMs} ms; the last answer: ${JSON.stringify(answer)}`)
    await delay(25)
  }
}
