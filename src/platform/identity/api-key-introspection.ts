/** Asks the Product Service, which keeps the API keys, what one of them allows: by the digest of its secret, which itself stays here. */
import type { ApiKeyStanding } from '#contracts/resources/api-key.ts'
import { type Credentials, type HttpClient, openHttpClient } from '../http/http-client.ts'
import type { LookUpApiKey } from './api-key-check.ts'

export interface Introspection extends AsyncDisposable {
  lookUp: LookUpApiKey
}

export type IntrospectionOptions = {
  /** Where the Product Service is, with its version prefix; undefined: nobody knows yet. */
  serviceUrl: () => string | undefined
  /** Who asks; asked for when the first key comes, since the issuer may start beside us. */
  credentials: () => Credentials | undefined
}

/** A look-up rejects when there is no answer in time: who came with the key waits for no more than that. */
export function openIntrospection({ serviceUrl, credentials }: IntrospectionOptions): Introspection {
  let client: HttpClient | undefined

  function open(): HttpClient {
    const ours = credentials()
    if (!ours) throw new Error('Services may not ask each other: TOKEN_URL, CLIENT_ID and CLIENT_SECRET do not say how')
    return openHttpClient({
      url: serviceUrl,
      name: 'product-service',
      credentials: ours,
      connections: 8,
      tries: 2,
      timeoutMs: 1900,
      tryTimeoutMs: 900,
      shared: true,
      probe: '/health/ready'
    })
  }

  return {
    async lookUp(key) {
      client ??= open()
      const { status, body } = await client.call<ApiKeyStanding>('POST', '/api-keys/introspection', { body: key, repeatable: true })
      if (status === 200) return body
      throw new Error(`The Product Service answered ${status} to who asked what an API key allows`)
    },
    async [Symbol.asyncDispose]() {
      await client?.[Symbol.asyncDispose]()
    }
  }
}
