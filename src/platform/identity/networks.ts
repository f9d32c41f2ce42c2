/** Addresses of clients, and the networks that they are in. */
import { BlockList, isIPv4, isIPv6 } from 'node:net'

export interface Networks {
  has(address: string): boolean
}

/** Networks as CIDR: 203.0.113.0/24, 2001:db8::/32. Throws for what is none. */
export function networksOf(cidrs: readonly string[]): Networks {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/')
    list.addSubnet(address, Number(bits), familyOf(address))
  }
  return {
    has(address) {
      const plain = plainAddress(address)
      return plain !== '' && list.check(plain, familyOf(plain))
    }
  }
}

/** Which of these are no networks, by their places: what has the form of CIDR may be none all the same. */
export function faultyNetworks(cidrs: readonly string[]): number[] {
  return cidrs.flatMap((cidr, index) => {
    try {
      networksOf([cidr])
      return []
    } catch {
      return [index]
    }
  })
}

/** By what an address is counted: itself, of IPv6 the first 64 bits, since whoever has one of those addresses has all of them. */
export function placeOf(address: string): string {
  const plain = plainAddress(address)
  if (!isIPv6(plain)) return plain
  const [before = [], after = []] = plain.split('::').map(part => (part === '' ? [] : part.split(':')))
  const zeros = plain.includes('::') ? Array<string>(8 - before.length - after.length).fill('0') : []
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`
}

/** An IPv4 address as such, though it came to a socket that speaks IPv6. */
function plainAddress(address: string): string {
  const mapped = address.startsWith('::ffff:') ? address.slice(7) : ''
  return isIPv4(mapped) ? mapped : address
}

const familyOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4')
