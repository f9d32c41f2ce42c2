/** Access tokens of our own, by client credentials: fetched when one is needed, and again before it expires. */
import type { HttpReply } from '../http/http-exchange.ts'

export type Credentials = { tokenUrl: string; clientId: string; clientSecret: string }

export type Token = { value: string; renewAt: number }

/** Sends a form once. */
export type SendForm = (url: URL, form: Record<string, string>, headers: Record<string, string>) => Promise<HttpReply>

/** We have no access token of our own, and why. */
export class NoToken extends Error {
  readonly code: string | undefined
  constructor(cause: Error & { code?: string }) {
    super(cause.message, { cause })
    this.name = 'NoToken'
    this.code = cause.code
  }
}

const RENEW_BEFORE_MS = 30_000

/** How a client says to an issuer who it is (RFC 6749 §2.3.1). */
export function clientAuthorization({ clientId, clientSecret }: Omit<Credentials, 'tokenUrl'>): string {
  const [id, secret] = [clientId, clientSecret].map(encodeURIComponent)
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

export async function requestToken({ tokenUrl, clientId, clientSecret }: Credentials, send: SendForm): Promise<Token> {
  const authorization = clientAuthorization({ clientId, clientSecret })
  const { status, body } = await send(new URL(tokenUrl), { grant_type: 'client_credentials' }, { authorization })
  if (status < 200 || status >= 300) throw new Error(`${tokenUrl} answered ${status}: no token for ${clientId}`)
  const { access_token, expires_in } = body as { access_token: string; expires_in: number }
  return { value: access_token, renewAt: Date.now() + expires_in * 1000 - RENEW_BEFORE_MS }
}

/** A token that is refused sooner after another one was is refused for another reason than its key. */
const REFUSALS_APART_MS = 30_000

type Header = { authorization?: string }

export interface Authorization {
  /** The header of who we are, with a token that lasts; however many ask, one is fetched. */
  header(): Promise<Header>
  /**
   * Sends a request with that header. Where it is refused (401), the issuer may have withdrawn the key of our token: the token is
   * forgotten, and the request sent once more with another one, since whoever refuses it has done nothing. Not more often than every 30 s.
   */
  send<Reply extends { status: number }>(send: (header: Header) => Promise<Reply>): Promise<Reply>
}

export function openAuthorization(credentials: Credentials | (() => Credentials) | undefined, sendForm: SendForm): Authorization {
  let token: Token | undefined
  let renewing: Promise<Token> | undefined
  let refusedAt = Number.NEGATIVE_INFINITY

  async function renewed(): Promise<Token> {
    return requestToken(typeof credentials === 'function' ? credentials() : credentials!, sendForm)
  }

  async function header(): Promise<Header> {
    if (!credentials) return {}
    if (!token || Date.now() > token.renewAt) {
      renewing ??= renewed()
        .catch(error => {
          throw new NoToken(error)
        })
        .finally(() => {
          renewing = undefined
        })
      token = await renewing
    }
    return { authorization: `Bearer ${token.value}` }
  }

  /** Whether another token is worth a try. */
  function forget({ authorization }: Header): boolean {
    if (authorization === undefined) return false
    if (authorization !== `Bearer ${token?.value}`) return true
    if (performance.now() - refusedAt < REFUSALS_APART_MS) return false
    refusedAt = performance.now()
    token = undefined
    return true
  }

  return {
    header,
    async send(send) {
      const sent = await header()
      const reply = await send(sent)
      return reply.status === 401 && forget(sent) ? send(await header()) : reply
    }
  }
}
