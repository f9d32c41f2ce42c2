/** Asks an issuer what an opaque token is worth (RFC 7662), as the client that it knows us as. */
import { openHttpClient } from '../http/http-client.ts'
import { clientAuthorization } from './access-token.ts'
import type { IntrospectionEndpoint } from './issuer-settings.ts'
import type { Introspect } from './opaque-tokens.ts'
import type { Claims } from './token.ts'

export interface TokenIntrospection extends AsyncDisposable {
  introspect: Introspect
}

export function openTokenIntrospection({ url, ...client }: IntrospectionEndpoint): TokenIntrospection {
  const http = openHttpClient({
    name: 'token-introspection',
    url,
    tries: 2,
    timeoutMs: 1900,
    tryTimeoutMs: 900,
    // Whoever comes with the same token shares the answer.
    shared: true,
    bytesMax: 65_536
  })
  const authorization = clientAuthorization(client)
  return {
    async introspect(token) {
      const form = { token, token_type_hint: 'access_token' }
      const { status, body } = await http.call<Claims | null>('POST', '', { form, headers: { authorization }, repeatable: true })
      if (status !== 200) throw new Error(`the issuer answered ${status} to who asked what a token is worth`)
      if (body?.active === false) return undefined
      if (body?.active === true) return body
      throw new Error('the issuer does not say whether a token is active')
    },
    [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]()
  }
}
