/** What production refuses at boot: what is for development and tests, secrets that anybody knows, and connections that anybody reads. */
import type { Config } from './config.ts'
import { addressesOfIssuers, introspectionSecrets } from './identity/issuer-settings.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Every fault at once, each beginning with the name of its setting; none says a secret. */
export function unsafeInProduction(config: Config, environment: Environment): string[] {
  return [
    ...missing(config),
    ...users(config),
    ...forTests(config),
    ...weakSecrets(config),
    ...plaintext(config),
    ...ofRuntime(environment)
  ]
}

function missing(config: Config): string[] {
  return [
    ...(config.DATABASE_URL ? [] : ['DATABASE_URL: is needed in production, the embedded PostgreSQL is for development']),
    ...(config.ISSUER_URL || config.ISSUERS
      ? []
      : ['ISSUER_URL: is needed in production, the development issuer is for development; or several in ISSUERS']),
    ...(config.SIGNING_KEY_SECRET ? [] : ['SIGNING_KEY_SECRET: is needed in production, it seals the keys that sign events'])
  ]
}

/** Whether users are asked about is to be chosen, and who is asked to be known. */
function users(config: Config): string[] {
  if (config.USER_CHECKS === 'off') return []
  if (config.USER_CHECKS === undefined && !config.USER_SERVICE_URL)
    return ['USER_CHECKS: must be chosen in production: require with USER_SERVICE_URL, or off']
  const names = ['TOKEN_URL', 'CLIENT_ID', 'CLIENT_SECRET'] as const
  const why = 'is needed in production for asking the User Service, unless USER_CHECKS=off'
  return names.filter(name => !config[name]).map(name => `${name}: ${why}`)
}

function forTests(config: Config): string[] {
  const names = ['EVENT_FAULTS', 'FAILPOINTS', 'WEBHOOK_ALLOW_HTTP', 'WEBHOOK_ALLOW_PRIVATE'] as const
  return names.filter(name => config[name]).map(name => `${name}: is for development and tests and refused in production`)
}

/** Of the development issuer's clients, which stand in our documentation; see src/services/user/development-clients.ts. */
const developmentSecret = /\b(admin|storefront|order-service|partner)-secret\b/
/** What is in examples, and tried first by who guesses. */
const guessed = /^(guest|postgres|password|passw0rd|admin|root|secret|test|changeme|change-me|example|123456(78)?)$/i
const placeholder = /change.?me|placeholder|your.?secret|example|insert.?here|xxxx/i
const SECRET_LENGTH_MIN = 32
const DISTINCT_MIN = 10

function weakSecrets(config: Config): string[] {
  const faults: string[] = []
  for (const [name, value] of Object.entries(config)) {
    if (typeof value !== 'string') continue
    if (developmentSecret.test(value)) faults.push(`${name}: has the secret of a development client, which everybody knows`)
    if (name.endsWith('_URL') && guessed.test(passwordIn(value))) faults.push(`${name}: has a password that is guessed first`)
  }
  for (const name of ['BROKER_PASSWORD', 'CLIENT_SECRET'] as const) {
    if (guessed.test(config[name] ?? '')) faults.push(`${name}: is guessed first`)
  }
  if (introspectionSecrets(config.ISSUERS).some(secret => guessed.test(secret)))
    faults.push('ISSUERS: its introspection.clientSecret is guessed first')
  for (const secret of config.SIGNING_KEY_SECRET?.split(',') ?? []) {
    if (secret.length < SECRET_LENGTH_MIN)
      faults.push(`SIGNING_KEY_SECRET: each is to have at least ${SECRET_LENGTH_MIN} characters`)
    if (isMonotonous(secret)) faults.push('SIGNING_KEY_SECRET: is too regular; make one with: openssl rand -base64 32')
    if (placeholder.test(secret)) faults.push('SIGNING_KEY_SECRET: is a placeholder; make one with: openssl rand -base64 32')
  }
  return faults
}

function passwordIn(url: string): string {
  const given = /^[a-z]+:\/\/[^/?#]*?:([^/?#]*)@/i.exec(url)?.[1] ?? ''
  return given.includes('%') ? decodeURIComponent(given.replaceAll(/%(?![0-9a-f]{2})/gi, '%25')) : given
}

/** Few different characters, or one piece again and again. */
function isMonotonous(secret: string): boolean {
  return new Set(secret).size < DISTINCT_MIN || /^(.{1,16}?)\1+.{0,15}$/.test(secret)
}

function plaintext(config: Config): string[] {
  const allowed = new Set(config.PLAINTEXT_ALLOWED?.split(','))
  const faults: string[] = []
  const refuse = (kind: string, name: string, fault: string) => {
    if (!allowed.has(kind)) faults.push(`${name}: ${fault}, unless PLAINTEXT_ALLOWED names ${kind}`)
  }
  if (!isLocal(config.HOST) && !config.TLS_CERT)
    refuse('listener', 'HOST', 'others can reach it, so TLS_CERT and TLS_KEY are needed')
  for (const [name, url] of Object.entries(config)) {
    if ((name.endsWith('_SERVICE_URL') || name === 'TOKEN_URL') && isPlainHttp(String(url)))
      refuse('services', name, 'is to be https')
  }
  for (const url of urlsIn(config.EVENT_SOURCES)) {
    if (isPlainHttp(url)) refuse('services', 'EVENT_SOURCES', `${url} is to be https`)
  }
  if (config.DATABASE_URL && !isVerified(config.DATABASE_URL)) refuse('database', 'DATABASE_URL', 'is to have sslmode=verify-full')
  if (config.BROKER_URL && !isVerified(config.BROKER_URL))
    refuse('broker', 'BROKER_URL', 'is to be amqps://, kafkas://, or postgres:// with sslmode=verify-full')
  // Whoever can change what an issuer says can be anybody: there is no setting that lets this pass.
  for (const name of ['ISSUER_URL', 'JWKS_URL', 'PUBLIC_URL', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const) {
    if (isPlainHttp(config[name])) faults.push(`${name}: is to be https in production`)
  }
  for (const [place, url] of addressesOfIssuers(config.ISSUERS)) {
    if (isPlainHttp(url)) faults.push(`${place}: is to be https in production`)
  }
  return faults
}

function isPlainHttp(url: string | undefined): boolean {
  if (!url || !URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !isLocal(hostname)
}

/** Whether nobody between us and the server can read or answer for it. */
function isVerified(url: string): boolean {
  const scheme = url.split(':', 1)[0]!.toLowerCase()
  if (scheme === 'amqps' || scheme === 'kafkas') return true
  if (scheme.startsWith('postgres')) return isVerifiedPostgres(url)
  return hostsIn(url).every(isLocal)
}

/** As the driver reads it: the last of parameters of one name counts, and `host` more than the host of the URL. */
function isVerifiedPostgres(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { hostname, searchParams } = new URL(url)
  const last = (name: string) => searchParams.getAll(name).at(-1)
  if (last('sslmode') === 'verify-full' && !searchParams.has('uselibpqcompat')) return true
  const host = last('host') || hostname
  return host.startsWith('/') || /^%2f/i.test(host) || isLocal(host)
}

function hostsIn(url: string): string[] {
  const authority = /^[a-z]+:\/\/([^/?#]*)/i.exec(url)?.[1] ?? ''
  const hosts = authority.slice(authority.lastIndexOf('@') + 1).split(',')
  return hosts.map(host => host.replace(/:\d+$/, ''))
}

function isLocal(host: string): boolean {
  return /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
}

function urlsIn(sources: string | undefined): string[] {
  return (sources ?? '').split(',').map(entry => entry.slice(entry.indexOf('=') + 1).trim())
}

/** Switches of the runtime that undo what the rest relies on. */
const switches: Readonly<Record<string, string>> = {
  '--insecure-http-parser': 'lets requests be smuggled',
  '--tls-min-v1.0': 'allows broken TLS',
  '--tls-min-v1.1': 'allows broken TLS',
  '--inspect': 'lets a debugger in',
  '--inspect-brk': 'lets a debugger in'
}

function ofRuntime({ NODE_TLS_REJECT_UNAUTHORIZED, NODE_OPTIONS = '' }: Environment): string[] {
  const given = NODE_OPTIONS.split(/\s+/).map(option => (option.startsWith('--inspect') ? option.split('=')[0]! : option))
  return [
    ...(NODE_TLS_REJECT_UNAUTHORIZED === '0'
      ? ['NODE_TLS_REJECT_UNAUTHORIZED: 0 believes every certificate; name your authority in TLS_CA_FILE instead']
      : []),
    ...given.filter(option => Object.hasOwn(switches, option)).map(option => `NODE_OPTIONS: ${option} ${switches[option]}`)
  ]
}
