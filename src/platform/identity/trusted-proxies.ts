/** Which proxies are believed when they say for whom they ask. X-Forwarded-For of anybody else is what anybody can write. */
import { isIP } from 'node:net'
import { listed } from '../text/listed.ts'
import { faultyNetworks, networksOf } from './networks.ts'

export type TrustsProxy = (address: string) => boolean

/** Whether an address is one of TRUSTED_PROXIES, or of those in the same machine; undefined where there are none. */
export function trustedProxies(text: string | undefined, ...more: readonly string[]): TrustsProxy | undefined {
  const networks = [...listed(text), ...more].map(toNetwork)
  if (networks.length === 0) return undefined
  const trusted = networksOf(networks)
  return address => isIP(address) !== 0 && trusted.has(address)
}

/** What is wrong with TRUSTED_PROXIES, in words. */
export function faultsOfProxies(text: string | undefined): string[] {
  const entries = listed(text)
  const unlike = entries.filter(entry => !/^[\da-f.:]+(\/\d{1,3})?$/i.test(entry))
  const like = entries.filter(entry => !unlike.includes(entry))
  const faulty = [...unlike, ...faultyNetworks(like.map(toNetwork)).map(index => like[index])]
  const everybody = entries.filter(entry => /\/0+$/.test(entry))
  return [
    ...faulty.map(entry => `${entry} is neither an IP address nor a network`),
    ...everybody.map(entry => `${entry} is everybody: whoever asks could then say where from`)
  ]
}

type Asking = { ip: string; socket: { remoteAddress?: string | undefined } }

/** Where a request comes from: the connection's other end, or whom a trusted proxy names. */
export function clientAddress({ ip, socket }: Asking): string {
  // A trusted proxy that passes on what it was told, instead of adding whom it sees, may name no address at all.
  return isIP(ip) === 0 ? (socket.remoteAddress ?? '') : ip
}

function toNetwork(entry: string): string {
  const bits = { 0: '', 4: '/32', 6: '/128' }[isIP(entry)]
  return `${entry}${bits}`
}
