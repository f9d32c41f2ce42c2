/**
 * TLS where we call: whom we believe, beside the system's authorities, and who we are to whom asks. Both hold for the whole process, so
 * that no client, ours or a library's, is left out: services, issuers, key sets, collectors and PostgreSQL.
 */
import { getCACertificates, setDefaultCACertificates } from 'node:tls'

const before = getCACertificates('default')

/** From now on every client of this process believes these authorities too (PEM), unless it is told whom to believe. */
export function trust(...authorities: readonly string[]): void {
  setDefaultCACertificates([...before, ...authorities])
}

let ours: (() => { cert: string; key: string }) | undefined

/** From now on clients of ours show this certificate to servers that ask for one. */
export function introduce(identity: () => { cert: string; key: string }): void {
  ours = identity
}

/** For a client's `connect`, at each connection anew: certificates change while a process runs. */
export function introduction(): { cert: string; key: string } | Record<string, never> {
  return ours?.() ?? {}
}
