/** Other products beside ours: their URLs come from a file, in the form of the entries of a load test. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { HttpCase } from './http-case.ts'

/**
 * One request of a peer. `{id}` is the next of `ids` (or of the list in `idsFile`, `seed.json#productIds`), `{uuid}` another one each time,
 * and `$NAME` comes from the environment, in url, headers, body, idsFile and pid. With the `pid` of its server its CPU time counts too.
 */
export type Peer = {
  name: string
  url: string
  method?: string
  headers?: Record<string, string>
  body?: unknown
  ids?: string[]
  idsFile?: string
  pid?: string | number
  connections?: number
}

/** The groups that peers can join. */
export const peerGroups = ['reads', 'lists', 'reservations'] as const
export type Peers = Partial<Record<(typeof peerGroups)[number], Peer[]>>

export function readPeers(file: string): Peers {
  const peers: unknown = JSON.parse(readFileSync(file, 'utf8'))
  const unknown = Object.keys(peers as Peers).filter(name => !(peerGroups as readonly string[]).includes(name))
  if (unknown.length > 0)
    throw new Error(`${file}: there is no group ${unknown.join(', ')} for peers, only ${peerGroups.join(', ')}`)
  const idsOf = (idsFile: string) => {
    const [path, key] = idsFile.split('#')
    const content = JSON.parse(readFileSync(resolve(dirname(file), path!), 'utf8'))
    return (key ? content[key] : content) as string[]
  }
  const read = (peer: Peer): Peer => {
    const filled = fill(peer) as Peer
    return filled.idsFile ? { ...filled, ids: idsOf(filled.idsFile) } : filled
  }
  return Object.fromEntries(Object.entries(peers as Peers).map(([group, list]) => [group, list!.map(read)]))
}

/** The peers of a group as cases beside ours. */
export function peerCases(peers: readonly Peer[] = [], against: string): HttpCase[] {
  return peers.map(({ pid, idsFile: _, ...target }) => ({ ...target, against, pids: pid ? [Number(pid)] : [] }))
}

/** `$NAME` is taken from the environment, wherever text stands. */
function fill(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll(/\$([A-Z_][A-Z0-9_]*)/g, (whole, name) => process.env[name] ?? whole)
  if (Array.isArray(value)) return value.map(fill)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fill(each)]))
}
