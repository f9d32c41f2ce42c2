/** Which pages may ask from a browser: an exact list of origins. What an origin looks like is compared with nothing but itself. */
import { listed } from '../text/listed.ts'

/** What is wrong with CORS_ORIGINS, in words. */
export function faultsOfOrigins(text: string | undefined, production: boolean): string[] {
  return listed(text).flatMap(origin => {
    if (origin === '*') return ['* is everybody: name the origins']
    if (!URL.canParse(origin) || origin.includes('*')) return [`${origin} is not an origin such as https://shop.example`]
    const { origin: exact, protocol } = new URL(origin)
    if (protocol !== 'https:' && protocol !== 'http:') return [`${origin} is not an origin such as https://shop.example`]
    if (exact !== origin) return [`${origin} is not as a browser writes it: ${exact}`]
    return production && protocol === 'http:' ? [`${origin}: in production only pages that came over https may ask`] : []
  })
}
