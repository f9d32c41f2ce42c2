/** The keys of an issuer of tokens: found through its metadata (OpenID Connect Discovery, RFC 8414) where nobody says where they are. */
import type { HttpClient } from '../http/http-client.ts'
import type { Log } from '../log.ts'
import { type KeptKeys, openKeptKeys } from '../signing/kept-keys.ts'
import { fetchPublished, openPublisher } from '../signing/published-json.ts'
import { fetchKeySet, importKeys } from '../signing/published-keys.ts'
import type { TrustedIssuer } from './issuers.ts'

const STALE_MAX_MS = 24 * 3_600_000
/** After a fetch that missed no key, one that is not there may be asked for: an issuer may sign with a key that it has just published. */
const FIRST_COOL_DOWN_MS = 1000
const METADATA_MAX_AGE_MS = 3_600_000

/** `now` is monotonic, in milliseconds. */
export function openIssuerKeys(options: { issuer: TrustedIssuer; log: Log; now?: (() => number) | undefined }): KeptKeys {
  const { issuer, log, now = () => performance.now() } = options
  const { algorithms } = issuer.form
  let found: { url: string; until: number } | undefined
  let fetchedFrom: string | undefined
  const { host, pathname } = new URL(issuer.url)
  const publisher = openPublisher({
    name: `issuer ${host}${pathname.replace(/\/$/, '')}`,
    url: () => issuer.keysUrl?.() ?? found?.url ?? metadataUrls(issuer.url)[0]
  })

  async function keysUrl(): Promise<string> {
    if (issuer.keysUrl) return issuer.keysUrl()
    if (found && now() < found.until) return found.url
    try {
      found = { url: await discover(publisher, issuer.url), until: now() + METADATA_MAX_AGE_MS }
    } catch (error) {
      // Keys that can be had where they were are good keys.
      if (!found) throw error
    }
    return found.url
  }

  return openKeptKeys({
    of: issuer.url,
    log,
    now,
    staleMaxMs: STALE_MAX_MS,
    firstCoolDownMs: FIRST_COOL_DOWN_MS,
    async fetch(etag, before) {
      const url = await keysUrl()
      try {
        const { value, ...fetched } = await fetchKeySet(publisher, url, {
          etag: url === fetchedFrom ? etag : undefined,
          algorithms
        })
        fetchedFrom = url
        if (!value) return { ...fetched, value: undefined }
        const keys = await importKeys(value, before)
        if (keys.size < value.keys.length)
          log.warn(
            { unit: 'key set', source: issuer.url, passedOver: value.keys.length - keys.size },
            'keys that are malformed or weak'
          )
        if (keys.size === 0 && value.keys.length > 0) throw new Error('none of its keys can be used')
        return { ...fetched, value: keys }
      } catch (error) {
        // They may have moved.
        if (found) found = { ...found, until: Number.NEGATIVE_INFINITY }
        throw error
      }
    }
  })
}

/** Where the keys are, as the issuer's own metadata says it. Throws when nobody says it, or when it is somebody else's. */
async function discover(publisher: HttpClient, issuer: string): Promise<string> {
  const faults: string[] = []
  for (const url of metadataUrls(issuer)) {
    try {
      return keysUrlIn((await fetchPublished(publisher, url)).value, issuer)
    } catch (error) {
      faults.push(`${url}: ${error instanceof Error ? error.message : error}`)
    }
  }
  throw new Error(`its metadata cannot be had: ${faults.join('; ')}`)
}

/** OpenID Connect Discovery §4 adds the name to the issuer, RFC 8414 §3 puts it before the path. */
function metadataUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [`${origin}${path}/.well-known/openid-configuration`, `${origin}/.well-known/oauth-authorization-server${path}`]
}

function keysUrlIn(metadata: unknown, issuer: string): string {
  const { issuer: named, jwks_uri: url } = (metadata ?? {}) as { issuer?: unknown; jwks_uri?: unknown }
  // Anybody may publish metadata that names their own keys.
  if (named !== issuer) throw new Error(`it is the metadata of ${String(named).slice(0, 200)}`)
  if (typeof url !== 'string' || !URL.canParse(url)) throw new Error('it does not say where the keys are (jwks_uri)')
  if (!/^https?:/i.test(url) || (/^https:/i.test(issuer) && !/^https:/i.test(url))) throw new Error('its keys are not at https')
  return url
}
