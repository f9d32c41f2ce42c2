/** Who is calling, and what makes that known. A gateway's header never does. */
import type { IncomingHttpHeaders } from 'node:http'

export type Actor = {
  /** The `sub` of the token: a user, or the client itself. */
  subject: string
  clientId: string
  /** Who vouches for it: the `iss` of the token. */
  issuer: string
  /** What it may do. */
  scopes: ReadonlySet<string>
  /** The user in whose name a client acts; none where a client acts for itself. */
  userId?: string
  /** When the token is none any more: what goes on for long ends by then. */
  expiresAtMs?: number
}

export interface Authenticator {
  /** Throws or rejects with `unauthenticated`, or with `unavailable` when nobody can tell now. At once for credentials seen before. */
  authenticate(headers: IncomingHttpHeaders): Actor | Promise<Actor>
}
