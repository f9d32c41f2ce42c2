/** The settings of who may issue access tokens, and what can be wrong with them. Part of the table in config.ts. */
import { Type } from 'typebox'
import { optional } from '../setting-kinds.ts'
import { signatureAlgorithms } from '../signing/signature-algorithms.ts'
import { type ClaimMapping, type PresetName, presetNames } from './issuer-presets.ts'

export const issuerSettings = {
  ISSUER_URL: optional(
    'The issuer of access tokens, exactly as tokens name it in iss: https://id.example/realms/shop; without it, and without ISSUERS, the development issuer at http://localhost:PORT/oauth'
  ),
  ISSUER_PRESET: Type.Optional(
    Type.Unsafe<PresetName>({
      type: 'string',
      enum: presetNames,
      description: 'What tokens of ISSUER_URL look like; without it rfc9068. What each means: docs/how-to/identity-provider.md'
    })
  ),
  JWKS_URL: optional('Where the keys of ISSUER_URL are; without it where its own metadata says'),
  AUDIENCE: Type.String({ default: 'urn:product-service', minLength: 1, description: 'The audience that access tokens must name' }),
  ISSUERS: optional(
    'Several issuers, as a JSON array of { url, audience, preset, algorithms, jwksUrl, claims, leewaySeconds, introspection }; usually as ISSUERS_FILE: docs/how-to/identity-provider.md'
  )
}

/** An entry of ISSUERS as people write it. */
export type WrittenIssuer = {
  url: string
  audience?: string | string[]
  preset?: PresetName
  algorithms?: string[]
  jwksUrl?: string
  claims?: Partial<Record<Exclude<keyof ClaimMapping, 'scopePrefix'>, string | string[]>> & { scopePrefix?: string }
  leewaySeconds?: number
  introspection?: IntrospectionEndpoint
}

/** Where an issuer says what its opaque tokens are worth (RFC 7662), and who asks. */
export type IntrospectionEndpoint = { url: string; clientId: string; clientSecret: string }

/** It is part of what idempotency keys are kept under. */
const URL_LENGTH_MAX = 500
export const LEEWAY_SECONDS = { default: 30, max: 60 }

/** The entries as they are written, not yet checked; none if the text is no list of any. */
export function issuersIn(text: string | undefined): unknown[] | undefined {
  if (!text) return []
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.length > 0 ? value : undefined
  } catch {
    return undefined
  }
}

type Settings = { ISSUER_URL?: string | undefined; ISSUER_PRESET?: PresetName | undefined; ISSUERS?: string | undefined }

/** What is wrong with the settings, each fault with its place. */
export function faultsOfIssuers({ ISSUER_URL, ISSUER_PRESET, ISSUERS }: Settings): string[] {
  const listed = issuersIn(ISSUERS)
  if (!listed)
    return ['ISSUERS: must be a JSON array of issuers, such as [{"url":"https://id.example/realms/shop","preset":"keycloak"}]']
  const faults = listed.flatMap((each, index) => faultsOf(each).map(fault => `ISSUERS[${index}]${fault}`))
  const urls = [...(ISSUER_URL ? [ISSUER_URL] : []), ...listed.map(each => (each as WrittenIssuer | null)?.url)]
  const twice = urls.filter((url, index) => typeof url === 'string' && urls.indexOf(url) !== index)
  const introspected = listed.filter(each => (each as WrittenIssuer | null)?.introspection !== undefined)
  if (introspected.length > 1)
    faults.push('ISSUERS: introspection can be of one issuer only, since an opaque token does not say whose it is')
  for (const url of new Set(twice)) faults.push(`ISSUERS: ${url} is there twice`)
  if (ISSUER_URL && URL.canParse(ISSUER_URL) && url(ISSUER_URL)) faults.push(`ISSUER_URL: ${url(ISSUER_URL)}`)
  if (ISSUER_PRESET && !ISSUER_URL) faults.push('ISSUER_PRESET: says nothing without ISSUER_URL')
  return faults
}

/** Every address of ISSUERS, by its place. */
export function addressesOfIssuers(text: string | undefined): [place: string, url: string][] {
  return (issuersIn(text) ?? []).flatMap((each, index) => {
    const { url, jwksUrl, introspection } = (each ?? {}) as { url?: unknown; jwksUrl?: unknown; introspection?: { url?: unknown } }
    const stated = Object.entries({ url, jwksUrl, 'introspection.url': introspection?.url })
    return stated.flatMap(([name, value]): [string, string][] =>
      typeof value === 'string' ? [[`ISSUERS[${index}].${name}`, value]] : []
    )
  })
}

/** By what the issuers of ISSUERS let us ask about tokens. */
export function introspectionSecrets(text: string | undefined): string[] {
  return (issuersIn(text) ?? []).map(each => (each as Partial<WrittenIssuer> | null)?.introspection?.clientSecret).filter(isText)
}

type Check = (value: unknown) => string | undefined

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.length > 0 && value.every(isText)
const isHttp = (value: unknown): value is string => isText(value) && URL.canParse(value) && /^https?:\/\//i.test(value)

const url: Check = value =>
  isHttp(value) && value.length <= URL_LENGTH_MAX && !/[?#]/.test(value)
    ? undefined
    : `must be an http(s) URL of at most ${URL_LENGTH_MAX} characters, without query and fragment`
const texts: Check = value => (isText(value) || isTexts(value) ? undefined : 'must be a text or a list of texts')
const places: Check = value => (Array.isArray(value) && value.length === 0 ? undefined : texts(value))

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)
const object: Check = value => (isObject(value) ? undefined : 'must be an object')
const text: Check = value => (isText(value) ? undefined : 'must be a text')
const httpUrl: Check = value => (isHttp(value) ? undefined : 'must be an http(s) URL')

const checks: Readonly<Record<keyof WrittenIssuer, Check>> = {
  url,
  audience: texts,
  preset: value => (presetNames.includes(value as PresetName) ? undefined : `must be one of ${presetNames.join(', ')}`),
  algorithms(value) {
    const known = [...signatureAlgorithms, 'Ed25519']
    if (!isTexts(value)) return 'must be a list of algorithms'
    const wrong = value.filter(name => !known.includes(name))
    return wrong.length > 0 ? `${wrong.join(', ')} cannot be: ${known.join(', ')} can` : undefined
  },
  jwksUrl: httpUrl,
  claims: object,
  introspection: object,
  leewaySeconds: value =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= LEEWAY_SECONDS.max
      ? undefined
      : `must be a whole number of seconds, at most ${LEEWAY_SECONDS.max}`
}

const claimChecks: Readonly<Record<keyof ClaimMapping, Check>> = {
  roles: places,
  scopes: places,
  clientId: texts,
  userId: texts,
  scopePrefix: text
}

const introspectionChecks: Readonly<Record<keyof IntrospectionEndpoint, Check>> = {
  url: httpUrl,
  clientId: text,
  clientSecret: text
}

function faultsOf(entry: unknown): string[] {
  if (!isObject(entry)) return [': must be an object']
  const { claims, introspection } = entry as { claims?: unknown; introspection?: unknown }
  return [
    ...missing(entry, ['url'], ''),
    ...faultsOfMembers(entry, checks, ''),
    ...(isObject(claims) ? faultsOfMembers(claims, claimChecks, '.claims') : []),
    ...(isObject(introspection) ? faultsOfIntrospection(introspection) : [])
  ]
}

function faultsOfIntrospection(value: object): string[] {
  const at = '.introspection'
  return [...missing(value, Object.keys(introspectionChecks), at), ...faultsOfMembers(value, introspectionChecks, at)]
}

function missing(value: object, names: readonly string[], at: string): string[] {
  return names.filter(name => !(name in value)).map(name => `${at}.${name}: is missing`)
}

function faultsOfMembers(value: object, known: Readonly<Record<string, Check>>, at: string): string[] {
  return Object.entries(value).flatMap(([name, member]) => {
    if (!Object.hasOwn(known, name)) return [`${at}.${name}: is not known; ${Object.keys(known).join(', ')} are`]
    const fault = known[name]!(member)
    return fault ? [`${at}.${name}: ${fault}`] : []
  })
}
