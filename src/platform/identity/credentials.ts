/** Who is calling, by whichever credentials a request has: an access token or an API key, and never both. */

import { invalid } from '../text/validation.ts'
import type { Authenticator } from './actor.ts'
import { API_KEY_HEADER } from './api-key-check.ts'

/** Throws `invalid-request` for a request with several credentials: which of them counts is not for us to guess. */
export function openCredentials({ tokens, apiKeys }: { tokens: Authenticator; apiKeys: Authenticator }): Authenticator {
  return {
    authenticate(headers, address) {
      const key = headers[API_KEY_HEADER]
      if (key === undefined) return tokens.authenticate(headers, address)
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
