/** What the claims of a token mean to us, by the form that its issuer gives them. */
import { scopesOfRoles } from '#contracts/roles.ts'
import type { Actor } from './actor.ts'
import type { TrustedIssuer } from './issuers.ts'
import type { Claims, ReadToken } from './token.ts'

/** Where a clock cannot get to: the end of the year 9999. */
const LATEST_SECONDS = 253_402_300_799
const TEXT_LENGTH_MAX = 255
const WORDS_MAX = 500

/** Why a token of this issuer is not to be accepted now, whoever signed it; none: it may be. `now` is in milliseconds. */
export function faultOf({ typ, claims }: ReadToken, issuer: TrustedIssuer, now: number): string | undefined {
  if (!issuer.form.types.includes(typ))
    return `The type of the token (typ) is ${typ === undefined ? 'missing' : 'not that of an access token'}`
  return faultOfClaims(claims, issuer, now)
}

/** The same, of what the claims say. */
export function faultOfClaims(claims: Claims, issuer: TrustedIssuer, now: number): string | undefined {
  const { form, leewaySeconds, audiences } = issuer
  const { exp, nbf, iat, sub, cnf } = claims
  const seconds = Math.floor(now / 1000)
  if (!isTime(exp)) return 'The token does not say until when it is good (exp)'
  if (exp <= seconds - leewaySeconds) return 'The token has expired'
  for (const since of [nbf, iat]) {
    if (since === undefined) continue
    if (!isTime(since) || since > seconds + leewaySeconds) return 'The token is of the future (nbf, iat)'
  }
  if (!isStorable(sub)) return 'The token does not say whose it is (sub)'
  const named = claims[form.audience]
  if (!(Array.isArray(named) ? named : [named]).some(each => audiences.includes(each)))
    return `The token is not for this service (${form.audience})`
  for (const [claim, value] of Object.entries(form.needs)) {
    if (value === true ? claims[claim] === undefined : claims[claim] !== value) return `The token is no access token (${claim})`
  }
  const foreign = form.refuses.find(claim => claims[claim] !== undefined)
  if (foreign) return `The token is no access token (${foreign})`
  // Who may use it would have to be proved, which nobody here can check.
  if (cnf !== undefined) return 'The token is bound to a key of its holder (cnf), which is not supported'
  if (!isStorable(clientIdIn(claims, issuer))) return 'The token does not say which client it was issued to'
  return undefined
}

/** Whole seconds of a time that there is. */
const isTime = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= LATEST_SECONDS

/** Who calls is stored: beside changes, and with idempotency keys. */
function isStorable(text: unknown): text is string {
  return typeof text === 'string' && text !== '' && text.length <= TEXT_LENGTH_MAX && text.isWellFormed() && !text.includes('\0')
}

const clientIdIn = (claims: Claims, { form, audiences }: TrustedIssuer) =>
  form.claims.clientId.flatMap(place => at(place, claims, audiences)).find(value => value !== undefined)

/** Who calls, of a token without a fault. */
export function actorOf(claims: Claims, issuer: TrustedIssuer): Actor {
  const { url, form, leewaySeconds, audiences } = issuer
  const clientId = clientIdIn(claims, issuer) as string
  const roles = wordsAt(form.claims.roles, claims, audiences)
  const stated = scopesIn(claims, issuer)
  const userId = form.isOfClient(claims, clientId) ? undefined : userIdIn(claims, issuer)
  const act = actIn(claims)
  return {
    subject: claims.sub as string,
    clientId,
    issuer: url,
    scopes: new Set([...stated, ...scopesOfRoles(roles)]),
    ...(roles.length > 0 ? { roles } : {}),
    ...(userId === undefined ? {} : { userId }),
    ...(act === undefined ? {} : { act }),
    expiresAtMs: ((claims.exp as number) + leewaySeconds) * 1000
  }
}

function scopesIn(claims: Claims, { form, audiences }: TrustedIssuer): string[] {
  const { scopes, scopePrefix: prefix = '' } = form.claims
  const words = wordsAt(scopes, claims, audiences)
  return prefix === '' ? words : words.filter(word => word.startsWith(prefix)).map(word => word.slice(prefix.length))
}

/** A user without a usable name of its own is known by the subject. */
function userIdIn(claims: Claims, { form, audiences }: TrustedIssuer): string {
  const stated = form.claims.userId.flatMap(place => at(place, claims, audiences)).find(isStorable)
  return stated ?? (claims.sub as string)
}

/** RFC 8693 §4.1: who acts in the name of the subject. */
function actIn({ act }: Claims): string | undefined {
  const sub = typeof act === 'object' && act !== null ? (act as { sub?: unknown }).sub : undefined
  return isStorable(sub) ? sub : undefined
}

/** Lists of texts, and texts of words between spaces. Words are compared exactly. */
function wordsAt(places: readonly string[], claims: Claims, audiences: readonly string[]): string[] {
  const words = places
    .flatMap(place => at(place, claims, audiences))
    .flatMap(value => {
      if (typeof value === 'string') return value.split(' ')
      return Array.isArray(value) ? value.filter(word => typeof word === 'string') : []
    })
  return [...new Set(words.filter(word => word !== '' && word.length <= TEXT_LENGTH_MAX))].slice(0, WORDS_MAX)
}

/** What stands at a place: a claim of that very name, or one inside others. */
function at(place: string, claims: Claims, audiences: readonly string[]): unknown[] {
  if (Object.hasOwn(claims, place)) return [claims[place]]
  const names = place.includes('{audience}') ? audiences : ['']
  return names.map(audience => {
    let value: unknown = claims
    for (const name of place.split('.').map(part => (part === '{audience}' ? audience : part))) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
      value = (value as Claims)[name]
    }
    return value
  })
}
