/** What every reply says to browsers, whoever answers. A reply that is something else than data says otherwise itself. */

const ONE_YEAR = 'max-age=31536000'

/** Headers of every reply of a server that people reach at this address. */
export function safeHeaders(baseUrl: string): Readonly<Record<string, string>> {
  return {
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
    ...(baseUrl.startsWith('https:') ? { 'strict-transport-security': ONE_YEAR } : {})
  }
}
