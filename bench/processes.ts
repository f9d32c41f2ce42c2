/** Processes that a run starts, and what they take: CPU time and memory, the steadiest figures on a shared machine. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const root = new URL('..', import.meta.url)

/** Starts a program of Node's and waits for its first line on standard output. It ends with the stack. */
export async function startServer(
  stack: AsyncDisposableStack,
  args: readonly string[],
  environment: Record<string, string>
): Promise<{ pid: number; line: string }> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  stack.defer(() => stop(child))
  const line = await firstLine(child, () => true)
  return { pid: child.pid!, line }
}

/** The first line of output that is wanted; throws when the process ends before. What comes after is not read. */
export async function firstLine(child: ChildProcess, wanted: (line: string) => boolean): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    if (!wanted(line)) continue
    child.stdout!.resume()
    return line
  }
  throw new Error(`${child.spawnargs.slice(1).join(' ')} ended with ${child.exitCode ?? child.signalCode}`)
}

const STOP_WITHIN_MS = 20_000

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
  await ended
  clearTimeout(impatience)
}

const TICKS_PER_SECOND = 100

/** User and system time of processes and of all that they have started, also of what has ended. Linux only; 0 elsewhere. */
export function cpuSecondsOf(pids: readonly number[]): number {
  const stats = new Map<number, { parent: number; ticks: number }>()
  for (const entry of entriesOfProc()) {
    const fields = statOf(entry)
    if (fields)
      stats.set(Number(entry), {
        parent: Number(fields[1]),
        ticks: fields.slice(11, 15).reduce((sum, each) => sum + Number(each), 0)
      })
  }
  const within = (pid: number): boolean => pid > 1 && (pids.includes(pid) || within(stats.get(pid)?.parent ?? 0))
  return [...stats].filter(([pid]) => within(pid)).reduce((sum, [, { ticks }]) => sum + ticks, 0) / TICKS_PER_SECOND
}

/** CPU time from now on, of Node and of PostgreSQL, shared out over so many of what they do. */
export function startCpu(node: number, postgres: number): (count: number) => { 'CPU ms': number; 'PG CPU ms': number } {
  const before = [cpuSecondsOf([node]), cpuSecondsOf([postgres])]
  const each = (pid: number, from: number, count: number) => ((cpuSecondsOf([pid]) - from) * 1000) / count
  return count => ({ 'CPU ms': each(node, before[0]!, count), 'PG CPU ms': each(postgres, before[1]!, count) })
}

/** Resident memory of one process. Linux only; 0 elsewhere. */
export function residentMiB(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

function entriesOfProc(): string[] {
  try {
    return readdirSync('/proc').filter(entry => /^\d+$/.test(entry))
  } catch {
    return []
  }
}

/** The fields after the command, which may itself contain spaces. */
function statOf(pid: string): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
