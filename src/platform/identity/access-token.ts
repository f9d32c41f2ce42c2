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

export async function requestToken({ tokenUrl, clientId, clientSecret }: Credentials, send: SendForm): Promise<Token> {
  const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`
  const { status, body } = await send(new URL(tokenUrl), { grant_type: 'client_credentials' }, { authorization })
  if (status < 200 || status >= 300) throw new Error(`${tokenUrl} answered ${status}: no token for ${clientId}`)
  const { access_token, expires_in } = body as { access_token: string; expires_in: number }
  return { value: access_token, renewAt: Date.now() + expires_in * 1000 - RENEW_BEFORE_MS }
}

/** The header of who we are, with a token that lasts; however many ask, one is fetched. */
export function openAuthorization(
  credentials: Credentials | (() => Credentials) | undefined,
  send: SendForm
): () => Promise<{ authorization?: string }> {
  let token: Token | undefined
  let renewing: Promise<Token> | undefined

  async function renewed(): Promise<Token> {
    return requestToken(typeof credentials === 'function' ? credentials() : credentials!, send)
  }

  return async () => {
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
}
