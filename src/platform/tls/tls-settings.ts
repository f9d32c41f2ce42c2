/** The settings of TLS: part of the table in config.ts. */
import { Type } from 'typebox'
import { optional } from '../setting-kinds.ts'

export const tlsSettings = {
  TLS_CERT: optional(
    'PEM of the certificate that we show, with those between it and its authority; with it we listen for HTTPS only'
  ),
  TLS_CERT_FILE: optional(
    'The file of that certificate, which is looked at again: a new one is taken without dropping connections'
  ),
  TLS_KEY: optional('PEM of the key of TLS_CERT'),
  TLS_KEY_FILE: optional('The file of that key, looked at again together with the certificate'),
  TLS_CLIENT_CA: optional('PEM of the authorities of the certificates that clients may show us'),
  TLS_CLIENT_CA_FILE: optional('The file of those authorities, looked at again'),
  TLS_CLIENT_AUTH: Type.Union([Type.Literal('none'), Type.Literal('request'), Type.Literal('require')], {
    default: 'none',
    description:
      'Whether clients show a certificate: request lets in who has none, and nobody with a wrong one. Tokens are needed all the same'
  }),
  TLS_RELOAD_INTERVAL_MS: Type.Integer({
    minimum: 10,
    maximum: 86_400_000,
    default: 5000,
    description: 'How often the files of certificates are looked at'
  }),
  TLS_CA: optional(
    "PEM of authorities that every call of ours believes beside the system's: to services, issuers, key sets and PostgreSQL; usually as TLS_CA_FILE"
  ),
  PLAINTEXT_ALLOWED: Type.Optional(
    Type.String({
      pattern: '^(listener|services|database|broker)(,(listener|services|database|broker))*$',
      description:
        'In production, what may go to and from other machines without verified TLS: listener (a proxy before us ends TLS), services, database, broker'
    })
  )
}
