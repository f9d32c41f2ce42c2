/** What an address that a stranger typed in must be, before anything is looked up or connected. */
import { isIP } from 'node:net'
import { isPublic } from './addresses.ts'

/** Both are for development and tests: http to any port, and addresses that are not public. */
export type EgressRules = { allowHttp: boolean; allowPrivate: boolean }

const CHARACTERS_MAX = 2048

/**
 * The address in its normal spelling, or what is wrong with it, such as `must be https`. Whom a name leads to is another question: it is
 * asked at each connection.
 */
export function destinationOf(text: string, rules: EgressRules): { url: URL } | { fault: string } {
  const fault = faultOfText(text)
  if (fault !== undefined) return { fault }
  const url = URL.parse(text)
  if (!url) return { fault: 'must be a URL' }
  const faultOfUrl = faultOfScheme(url, rules) ?? faultOfHost(url.hostname, rules)
  return faultOfUrl === undefined ? { url } : { fault: faultOfUrl }
}

/** What parsing would forgive or not show. */
function faultOfText(text: string): string | undefined {
  if (text.length > CHARACTERS_MAX) return `must have at most ${CHARACTERS_MAX} characters`
  if (/[\s\p{Cc}\\]/u.test(text)) return 'must have no whitespace, control characters or backslashes'
  if (text.includes('#')) return 'must have no fragment'
  const [authority = ''] = text.replace(/^[^:/?]*:\/*/, '').split(/[/?]/)
  return authority.includes('@') ? 'must have no user name or password' : undefined
}

function faultOfScheme({ protocol, port }: URL, { allowHttp, allowPrivate }: EgressRules): string | undefined {
  if (protocol !== 'https:' && !(allowHttp && protocol === 'http:')) return allowHttp ? 'must be https or http' : 'must be https'
  if (port === '0') return 'must have a port'
  // The default port of a scheme is ''.
  return port === '' || port === '8443' || allowHttp || allowPrivate ? undefined : 'must have port 443 or 8443'
}

/** Names that lead into a network, wherever they are asked for. */
const LOCAL_NAMES = ['localhost', 'local', 'internal', 'home.arpa']

function faultOfHost(hostname: string, { allowPrivate }: EgressRules): string | undefined {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (host.split('.').includes('')) return 'must have a host'
  if (allowPrivate) return undefined
  if (isIP(host) !== 0) return isPublic(host) ? undefined : 'must have a public address'
  const isLocal = !host.includes('.') || LOCAL_NAMES.some(name => host === name || host.endsWith(`.${name}`))
  return isLocal ? 'must have a public name' : undefined
}
