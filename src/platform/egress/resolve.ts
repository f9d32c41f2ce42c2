/** To which addresses a name leads. Asked of name servers by ourselves: the system's own way has four places per process, for files too. */
import { lookup, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'

export type Address = { address: string; family: 4 | 6 }

/** Every address of a name; none rejects or resolves with nothing. */
export type Resolve = (host: string) => Promise<readonly Address[]>

const TIMEOUT_MS = 2000
const TRIES = 2

/** Of name servers alone: a name of /etc/hosts is none that a stranger's address should lead to. */
export function openNameServers(servers?: readonly string[]): Resolve {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
  if (servers) resolver.setServers(servers)
  return async host => {
    const [v4, v6] = await Promise.all([resolver.resolve4(host).catch(none), resolver.resolve6(host).catch(none)])
    return [...v4.map(address => ({ address, family: 4 as const })), ...v6.map(address => ({ address, family: 6 as const }))]
  }
}

const none = (): string[] => []

/** As everything else on this machine: for development, where names are of /etc/hosts too. */
export const resolveBySystem: Resolve = async host =>
  (await lookup(host, { all: true })).map(({ address }) => ({ address, family: isIP(address) === 6 ? 6 : 4 }))
