/** Which addresses belong to everybody: where a stranger may have us connect. */
import { isIP, isIPv6, SocketAddress } from 'node:net'
import { networkInterfaces } from 'node:os'
import { networksOf } from '../identity/networks.ts'

/** Of this machine, of private networks, of carriers, for documents and tests, for many at once, and what nobody has yet. */
const CLOSED_IPV4 = networksOf([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4']
])

/**
 * All that is assigned for the world. What has another use is outside: loopback, IPv4 in other clothes (::/96, 64:ff9b::/96), discard
 * (100::/64), segment routing (5f00::/16), local (fc00::/7, fe80::/10, fec0::/10) and multicast (ff00::/8).
 */
const WORLD_IPV6 = networksOf(['2000::/3'])

/** Inside of it: Teredo, benchmarks, ORCHID, documents and 6to4, which lead to an IPv4 address or to nobody. */
const CLOSED_IPV6 = networksOf([
  ...['2001::/32', '2001:2::/48', '2001:10::/28', '2001:20::/28', '2001:db8::/32', '2002::/16', '3fff::/20']
])

/** Whether a literal address is of the public Internet and not of this machine. What is no address is not, nor one with a zone. */
export function isPublic(address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false
  const plain = canonical(address)
  if (ownAddresses().has(plain)) return false
  return isIPv6(plain) ? WORLD_IPV6.has(plain) && !CLOSED_IPV6.has(plain) : !CLOSED_IPV4.has(plain)
}

/** The one spelling of an address; of an IPv4 address that is mapped into IPv6, the IPv4 address. */
function canonical(address: string): string {
  if (!isIPv6(address)) return address
  // Rules of IPv6 for ::ffff:0:0/96 would be true of every IPv4 address, so it is looked at as what it stands for.
  return new SocketAddress({ address, family: 'ipv6' }).address.replace(/^::ffff:(?=[\d.]+$)/, '')
}

const ASKED_EVERY_MS = 60_000
let asked: { at: number; addresses: ReadonlySet<string> } | undefined

function ownAddresses(): ReadonlySet<string> {
  const now = performance.now()
  if (!asked || now - asked.at >= ASKED_EVERY_MS) {
    const all = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? [])
    asked = { at: now, addresses: new Set(all.map(({ address }) => canonical(address.replace(/%.*$/, '')))) }
  }
  return asked.addresses
}
