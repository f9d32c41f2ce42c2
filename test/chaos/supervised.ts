/** A process of a world, started again whenever it dies, as what supervises processes does; what is wrong with its ends is on record. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { until } from '#broker/conformance-kit.ts'
import type { Faults } from '#broker/faulty.ts'
import type { Failpoint } from '#platform/failpoint.ts'
import type { Load } from './writers.ts'

export type PartName = 'writer' | 'relay' | 'consumer' | 'api'

export type ProcessOptions = {
  /** The superuser's; the writer's is the service's. */
  databaseUrl: string
  brokerUrl: string
  topic: string
  /** The consumer group is `chaos.` and this. */
  subscription: string
  load: Load
  faults?: Faults
  retryDelaysMs?: readonly number[]
  /** Where the keys of events are; without it, nobody looks at signatures. */
  keySetUrl?: string
  /** Where an API listens; without it, wherever there is room. */
  port?: number
  /** By how much its clock is wrong. */
  skewMs?: number
}

/** What a process runs. */
export type Command = {
  /** What it is called where something is wrong with it. */
  part: string
  /** A file of this folder, and its arguments. */
  args: readonly string[]
  env: Record<string, string>
  saysReady: (line: string) => boolean
}

export type Supervised = {
  readonly part: string
  readonly pid: number
  /** How often it has died so far. */
  readonly deaths: number
  /** Whether it has said that it is ready since it was last started. */
  readonly isReady: boolean
  ready(): Promise<void>
  /** Has the process that runs now end, or be held up, at a place. */
  arm(failpoint: Failpoint, how: string): void
  signal(signal: NodeJS.Signals): void
  /** Ends it for good, as a deployment does; resolves when it is gone. */
  stop(): Promise<void>
  /** Ends it for good, as a machine does that is switched off; resolves when it is gone. */
  lose(): Promise<void>
}

/** What dies all the time had better be back soon. */
const compiled = join(import.meta.dirname, '../../node_modules/.cache/compiled')
const START_MS = 120_000
/** To finish what is in flight. */
const STOP_MS = 20_000

/** Starts a part. `faults` gets a sentence for every end that nobody has caused; `heard` every line that it prints beside `ready`. */
export function supervise(part: PartName, options: ProcessOptions, faults: string[], heard?: (line: string) => void): Supervised {
  const command = { args: ['chaos-process.ts', part], env: { CHAOS: JSON.stringify(options) } }
  return superviseCommand({ part, ...command, saysReady: line => line === 'ready' }, faults, heard)
}

/** The same of any other process that arms failpoints by its input. */
export function superviseCommand(
  { part, args: [file, ...args], env, saysReady }: Command,
  faults: string[],
  heard: (line: string) => void = () => {}
): Supervised {
  let stopping = false
  let deaths = 0
  let isReady = false
  let child = start()
  let ended = watch(child)

  function start(): ChildProcess {
    isReady = false
    const started = spawn(process.execPath, [join(import.meta.dirname, file!), ...args], {
      env: { ...process.env, NODE_COMPILE_CACHE: compiled, ...env },
      stdio: ['pipe', 'pipe', 'pipe']
    })
    started.stdin!.on('error', () => {})
    createInterface({ input: started.stdout! }).on('line', line => {
      if (saysReady(line)) isReady = true
      else heard(line)
    })
    return started
  }

  async function watch(watched: ChildProcess): Promise<void> {
    let complaint = ''
    watched.stderr!.on('data', text => {
      complaint = (complaint + text).slice(-2000)
    })
    const [code, signal] = await once(watched, 'close')
    if (complaint !== '') faults.push(`${part} says ${complaint.trim()}`)
    if (signal !== 'SIGKILL' && (code !== 0 || !stopping)) faults.push(`${part} ended with ${code ?? signal}`)
    if (stopping) return
    deaths++
    child = start()
    ended = watch(child)
  }

  return {
    part,
    get pid() {
      return child.pid!
    },
    get deaths() {
      return deaths
    },
    get isReady() {
      return isReady
    },
    ready: () => until(`${part} is ready`, () => isReady, START_MS),
    arm: (failpoint, how) => void child.stdin!.write(`${failpoint}=${how}\n`),
    signal: signal => void child.kill(signal),
    async stop() {
      // A signal that comes before it can hear it would end it as a crash does.
      await until(`${part} can be stopped`, () => isReady, START_MS).catch(error => faults.push(error.message))
      stopping = true
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      const late = setTimeout(() => {
        faults.push(`${part} did not end within ${STOP_MS} ms of SIGTERM`)
        child.kill('SIGKILL')
      }, STOP_MS)
      await ended
      clearTimeout(late)
    },
    async lose() {
      stopping = true
      child.kill('SIGKILL')
      await ended
    }
  }
}
