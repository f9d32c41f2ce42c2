/**
 * TLS where we listen: the certificate that we show, whose clients we ask for theirs, and how a new certificate is taken from its files
 * while connections go on. What does not hold together is said and left; the certificate before it stays.
 */
import { constants, createHash, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'

const names = ['TLS_CERT', 'TLS_KEY', 'TLS_CLIENT_CA'] as const

/** PEM texts, by the setting that says them. */
type Material = Partial<Record<(typeof names)[number], string>>

export type TlsSettings = Pick<
  Config,
  (typeof names)[number] | `${(typeof names)[number]}_FILE` | 'TLS_CLIENT_AUTH' | 'TLS_RELOAD_INTERVAL_MS'
>

export interface ListenerTls extends Disposable {
  /** What a server begins with. */
  options(): TlsOptions
  /** Gives this server every certificate that comes later, until it closes. */
  follow(server: Server): void
  /** What we show to whom we call, where they ask: always the newest. */
  identity(): { cert: string; key: string }
}

/** Handshakes that do not end hold a connection for as long as headers that do not. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** TLS 1.3, and of 1.2 what has forward secrecy and authenticated encryption. */
const ciphers = [
  ...['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'],
  ...['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ...['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256']
].join(':')

/** Opens TLS for listeners; undefined without a certificate. Files are looked at again every `TLS_RELOAD_INTERVAL_MS`. */
export function openListenerTls(settings: TlsSettings, log: Log): ListenerTls | undefined {
  if (!settings.TLS_CERT) return undefined
  let current: Material = settings
  let tried = fingerprint(current)
  const servers = new Set<Server>()

  async function reload(): Promise<void> {
    const found = await read(settings)
    const print = fingerprint(found)
    if (print === tried) return
    tried = print
    const faults = typeof found === 'string' ? [found] : faultsOfMaterial(found)
    // Said once for what is there, not every few seconds.
    if (typeof found === 'string' || faults.length > 0)
      return log.error({ unit: 'tls', faults }, 'a new certificate is not taken: the one before it stays')
    current = found
    for (const server of servers) server.setSecureContext(contextOf(found))
    const { subject, validTo, fingerprint256 } = new X509Certificate(found.TLS_CERT!)
    log.info({ unit: 'tls', subject, validTo, fingerprint256 }, 'a new certificate is shown from now on')
  }

  let reloading = false
  const timer = setInterval(() => {
    if (reloading) return
    reloading = true
    reload()
      .catch(error => log.error({ unit: 'tls', error: String(error) }, 'the certificate cannot be looked at'))
      .finally(() => {
        reloading = false
      })
  }, settings.TLS_RELOAD_INTERVAL_MS).unref()

  const asks = settings.TLS_CLIENT_AUTH !== 'none'
  return {
    options: () => ({
      ...contextOf(current),
      requestCert: asks,
      rejectUnauthorized: settings.TLS_CLIENT_AUTH === 'require',
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS
    }),
    follow(server) {
      servers.add(server)
      server.once('close', () => servers.delete(server))
      // Whoever may come without a certificate may still not come with a wrong one.
      if (settings.TLS_CLIENT_AUTH === 'request') server.prependListener('secureConnection', refuseImpostor)
    },
    identity: () => ({ cert: current.TLS_CERT!, key: current.TLS_KEY! }),
    [Symbol.dispose]: () => clearInterval(timer)
  }
}

function refuseImpostor(socket: TLSSocket): void {
  if (!socket.authorized && Object.keys(socket.getPeerCertificate()).length > 0) socket.destroy()
}

function contextOf({ TLS_CERT, TLS_KEY, TLS_CLIENT_CA }: Material): SecureContextOptions {
  return {
    cert: TLS_CERT,
    key: TLS_KEY,
    ...(TLS_CLIENT_CA ? { ca: TLS_CLIENT_CA } : {}),
    minVersion: 'TLSv1.2',
    ciphers,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION
  }
}

/** What is in the files now, beside what is no file; or which of them cannot be read. */
async function read(settings: TlsSettings): Promise<Material | string> {
  const entries = names.map(async name => {
    const file = settings[`${name}_FILE`]
    return [name, file ? (await readFile(file, 'utf8')).trim() : settings[name]] as const
  })
  try {
    return Object.fromEntries(await Promise.all(entries))
  } catch (error) {
    return (error as Error).message
  }
}

function fingerprint(material: Material | string): string {
  const text = typeof material === 'string' ? material : names.map(name => material[name] ?? '').join('\0')
  return createHash('sha256').update(text).digest('hex')
}

/** What is wrong with the TLS settings, each with the name of its setting. */
export function faultsOfTls(settings: Partial<TlsSettings>): string[] {
  const { TLS_CERT, TLS_KEY, TLS_CLIENT_CA, TLS_CLIENT_AUTH = 'none' } = settings
  const lonely = [
    ...(TLS_CERT && !TLS_KEY ? ['TLS_KEY: is needed beside TLS_CERT'] : []),
    ...(TLS_KEY && !TLS_CERT ? ['TLS_CERT: is needed beside TLS_KEY'] : []),
    ...(TLS_CLIENT_CA && !TLS_CERT ? ['TLS_CLIENT_CA: needs TLS_CERT, only who shows a certificate can ask for one'] : []),
    ...(TLS_CLIENT_AUTH !== 'none' && !TLS_CLIENT_CA ? ['TLS_CLIENT_CA: is needed to know whose clients may come'] : []),
    ...(TLS_CLIENT_AUTH === 'none' && TLS_CLIENT_CA ? ['TLS_CLIENT_AUTH: must be request or require beside TLS_CLIENT_CA'] : [])
  ]
  return lonely.length > 0 || !TLS_CERT ? lonely : faultsOfMaterial(settings)
}

function faultsOfMaterial(material: Material): string[] {
  const faults = names.flatMap(name => (name === 'TLS_KEY' || !material[name] ? [] : faultsOfPem(name, material[name])))
  if (faults.length > 0) return faults
  if (!material.TLS_CERT || !material.TLS_KEY) return ['TLS_CERT and TLS_KEY: are both needed']
  try {
    createSecureContext(contextOf(material))
    return []
  } catch (error) {
    return [`TLS_KEY: does not go with TLS_CERT: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`]
  }
}

const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Of every certificate in a PEM text: is it one, and is it still, and already, valid? */
export function faultsOfPem(name: string, text: string): string[] {
  const certificates = text.match(pem)
  if (!certificates) return [`${name}: has no certificate in PEM form`]
  return certificates.flatMap(each => {
    try {
      const { subject, validFromDate, validToDate } = new X509Certificate(each)
      const now = Date.now()
      if (validToDate.getTime() < now) return [`${name}: ${oneLine(subject)} was valid until ${validToDate.toISOString()}`]
      if (validFromDate.getTime() > now) return [`${name}: ${oneLine(subject)} is valid from ${validFromDate.toISOString()}`]
      return []
    } catch {
      return [`${name}: has a certificate that cannot be read`]
    }
  })
}

const oneLine = (subject: string) => subject.replaceAll('\n', ', ')
