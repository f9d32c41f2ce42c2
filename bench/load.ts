/** Load over HTTP, and what it costs in CPU time: the steadiest figure on a shared machine. */
import { readdirSync, readFileSync } from 'node:fs'
import autocannon from 'autocannon'

export type Case = {
  name: string
  url: string
  method?: 'GET' | 'POST'
  /** `{id}` in it is another id for each request, and so is the Idempotency-Key. */
  body?: object
  token?: string
  connections?: number
  /** Whose CPU time counts, with that of their children. */
  pids: readonly number[]
  /** The case that it is compared with, and the least that it must reach of it. */
  against?: number
  floor?: number
}

export type Shot = { requests: number; seconds: number; p50: number; p99: number; failed: number }

let serial = 0
const run = Date.now().toString(36)

export async function shoot({ url, method = 'GET', body, token, connections = 32 }: Case, seconds: number): Promise<Shot> {
  const { origin, pathname } = new URL(url)
  const template = body && JSON.stringify(body)
  const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(template && { 'content-type': 'application/json' }) }
  const request = {
    method,
    path: pathname,
    headers,
    ...(template && {
      body: template,
      setupRequest(request: autocannon.Request) {
        const id = `${run}-${serial++}`
        return { ...request, headers: { ...headers, 'idempotency-key': id }, body: template.replace('{id}', id) }
      }
    })
  }
  const result = await autocannon({ url: origin, connections, duration: seconds, requests: [request] })
  const { p50, p99 } = result.latency
  return { requests: result['2xx'], seconds: result.duration, p50, p99, failed: result.non2xx + result.errors }
}

const TICKS_PER_SECOND = 100

/** User and system time of processes and of all that they have started. Linux only; 0 elsewhere. */
export function cpuSecondsOf(pids: readonly number[]): number {
  const parents = new Map<number, { parent: number; ticks: number }>()
  try {
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue
      const fields = statOf(entry)
      if (fields) parents.set(Number(entry), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) })
    }
  } catch {
    return 0
  }
  const within = (pid: number): boolean => pid > 1 && (pids.includes(pid) || within(parents.get(pid)?.parent ?? 0))
  return [...parents].filter(([pid]) => within(pid)).reduce((sum, [, { ticks }]) => sum + ticks, 0) / TICKS_PER_SECOND
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

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
