/** Whose access tokens are believed: each issuer with its audiences, its algorithms and what its claims mean. */

import { nameOf } from '../signing/signature-algorithms.ts'
import { type IssuerPreset, issuerPresets, type PresetName } from './issuer-presets.ts'
import { type IntrospectionEndpoint, issuersIn, LEEWAY_SECONDS, type WrittenIssuer } from './issuer-settings.ts'

export type TrustedIssuer = {
  /** Exactly what tokens say in `iss`. */
  url: string
  audiences: readonly string[]
  form: IssuerPreset
  leewaySeconds: number
  /** Where its keys are, asked each time: in one process the issuer starts beside those who trust it. Without it its metadata says where. */
  keysUrl?: () => string
  /** Where it is asked about its opaque tokens; without it, it gives none out. */
  introspection?: IntrospectionEndpoint
}

type Settings = {
  ISSUER_URL?: string | undefined
  ISSUER_PRESET?: PresetName | undefined
  JWKS_URL?: string | undefined
  AUDIENCE: string
  ISSUERS?: string | undefined
}

/** Those of the settings; without any the development issuer, which production has not. */
export function trustedIssuers(settings: Settings, development: { url: string; keysUrl: () => string }): TrustedIssuer[] {
  const { ISSUER_URL: url, ISSUER_PRESET: preset = 'rfc9068', JWKS_URL: jwksUrl, AUDIENCE: audience } = settings
  const listed = ((issuersIn(settings.ISSUERS) ?? []) as WrittenIssuer[]).map(each => trustedIssuer({ audience, ...each }))
  if (url) return [trustedIssuer({ url, preset, audience, ...(jwksUrl ? { jwksUrl } : {}) }), ...listed]
  if (listed.length > 0) return listed
  const keysUrl = jwksUrl ? () => jwksUrl : development.keysUrl
  return [{ ...trustedIssuer({ url: development.url, audience }), keysUrl }]
}

/** An issuer as its preset has it, and as it says otherwise. */
export function trustedIssuer(written: WrittenIssuer & { audience: string | string[] }): TrustedIssuer {
  const { url, audience, jwksUrl, leewaySeconds = LEEWAY_SECONDS.default, claims = {}, introspection } = written
  const preset: IssuerPreset = issuerPresets[written.preset ?? 'rfc9068']
  const { scopePrefix, ...places } = claims
  const mapped = Object.fromEntries(Object.entries(places).map(([name, place]) => [name, listOf(place)]))
  return {
    url,
    audiences: listOf(audience),
    form: {
      ...preset,
      algorithms: (written.algorithms ?? preset.algorithms).map(nameOf),
      claims: { ...preset.claims, ...mapped, ...(scopePrefix === undefined ? {} : { scopePrefix }) }
    },
    leewaySeconds,
    ...(jwksUrl ? { keysUrl: () => jwksUrl } : {}),
    ...(introspection ? { introspection } : {})
  }
}

const listOf = (value: string | readonly string[]) => (typeof value === 'string' ? [value] : value)
