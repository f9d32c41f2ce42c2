/** Who is calling, and what makes that known. A gateway's header never does. */
import type { IncomingHttpHeaders } from 'node:http'

/** The `issuer` of whoever comes with an API key: nobody but us vouches for it. */
export const API_KEY_ISSUER = 'urn:product-service:api-keys'

export type Actor = {
  /** The `sub` of the token: a user, or the client itself. */
  subject: string
  clientId: string
  /** Who vouches for it: the `iss` of the token. */
  issuer: string
  /** What it may do: the scopes that its credentials state, and those of their roles. */
  scopes: ReadonlySet<string>
  /** The roles that its credentials state, as they state them; ours among others. None of an API key. */
  roles?: readonly string[]
  /** The user in whose name a client acts; none where a client acts for itself. */
  userId?: string
  /** Who acts in the name of the subject, as the token says it (`act`, RFC 8693): for the audit, it allows nothing. */
  act?: string
  /** When the token is none any more: what goes on for long ends by then. */
  expiresAtMs?: number
  /** Whether its credentials are good still, where they can be taken back before they expire: what goes on for long asks now and then. */
  stands?(): Promise<boolean>
}

export interface Authenticator {
  /**
   * Throws or rejects with `unauthenticated`, or with `unavailable` when nobody can tell now. At once for credentials seen before.
   * `address` is where the request comes from, where that matters.
   */
  authenticate(headers: IncomingHttpHeaders, address?: string): Actor | Promise<Actor>
}

/** Who that is among all there are: subjects of two issuers may have one name. */
export const principalOf = ({ issuer, subject }: Actor) => `${issuer} ${subject}`
