/** Who is calling, by whichever credentials a request has: an access token or an API key, and never both. */
import { invalid } from '../text/validation.ts'
import type { Authenticator } from './actor.ts'
import { API_KEY_HEADER } from './api-key-check.ts'
import { bearerIn, isJwt } from './token.ts'

type Credentials = {
  tokens: Authenticator
  apiKeys: Authenticator
  /** Of tokens that are no JWTs; without it such tokens are none. */
  opaqueTokens?: Authenticator | undefined
}

/** Throws `invalid-request` for a request with several credentials: which of them counts is not for us to guess. */
export function openCredentials({ tokens, apiKeys, opaqueTokens }: Credentials): Authenticator {
  return {
    authenticate(headers, address) {
      const key = headers[API_KEY_HEADER]
      if (key === undefined) {
        const token = opaqueTokens && bearerIn(headers.authorization)
        const isOpaque = token !== undefined && !isJwt(token)
        return (isOpaque ? opaqueTokens! : tokens).authenticate(headers, address)
      }
      if (headers.authorization === undefined && !String(key).includes(',')) return apiKeys.authenticate(headers, address)
      throw invalid([
        {
          pointer: '#/headers/X-API-Key',
          code: 'credentials',
          detail: 'must be the only credential: one API key, or one access token'
        }
      ])
    }
  }
}
