/** The settings of the edge: who may ask how often, from which pages, and which proxies are believed. Part of the table in config.ts. */
import { Type } from 'typebox'
import { faultsOfProxies } from '../identity/trusted-proxies.ts'
import { optional } from '../setting-kinds.ts'
import { faultsOfOrigins } from './cors.ts'

const perMinute = (fallback: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 1_000_000_000, default: fallback, description })

export const edgeSettings = {
  RATE_LIMIT_CLIENT_PER_MINUTE: perMinute(
    60_000,
    'Requests a minute that the gateway lets through for whoever is authenticated, per gateway process; more are answered 429. 0: no limit, for where a gateway before this one has its own'
  ),
  RATE_LIMIT_ADDRESS_PER_MINUTE: perMinute(
    600,
    'The same for an address without credentials, such as those who ask for a token; of IPv6 addresses a /64 is one. 0: no limit'
  ),
  RATE_LIMIT_FAILURES_PER_MINUTE: perMinute(
    20,
    'Wrong credentials a minute from one address that the gateway answers 401; more are answered 429, while right ones still let in. 0: no limit'
  ),
  TRUSTED_PROXIES: optional(
    'The proxies before this process whose X-Forwarded-For is believed, as addresses and networks: 10.0.0.7,10.1.0.0/16,fd00::/8; without it the header is ignored'
  ),
  CORS_ORIGINS: optional(
    'The origins whose pages may ask from a browser, exactly as the browser writes them: https://shop.example,https://admin.example:8443; without it none'
  )
}

/** What is wrong with them beyond their types. */
export function faultsOfEdge(config: {
  NODE_ENV: string
  TRUSTED_PROXIES?: string | undefined
  CORS_ORIGINS?: string | undefined
}): string[] {
  return [
    ...faultsOfProxies(config.TRUSTED_PROXIES).map(fault => `TRUSTED_PROXIES: ${fault}`),
    ...faultsOfOrigins(config.CORS_ORIGINS, config.NODE_ENV === 'production').map(fault => `CORS_ORIGINS: ${fault}`)
  ]
}
