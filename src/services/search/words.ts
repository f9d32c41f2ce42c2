/**
 * Words, cut the same way from what is indexed and from what is asked, so that they meet: without case, accents or punctuation.
 * They are given to PostgreSQL as finished vectors and queries; its own parser would cut by the locale of the server.
 */

/** How much a word counts by where it stands, best first: title and SKU, brand, category, description. */
export type Weight = 'A' | 'B' | 'C' | 'D'

/** PostgreSQL takes 2046 bytes. */
const WORD_LENGTH_MAX = 100
/** PostgreSQL's own bounds; what is beyond them is found all the same. */
const POSITION_MAX = 16_383
const POSITIONS_MAX = 255

export function wordsOf(text: string): string[] {
  const plain = text
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[\u0300-\u036f]/g, '')
  return (plain.match(/[\p{L}\p{N}\p{M}]+/gu) ?? []).map(word => [...word].slice(0, WORD_LENGTH_MAX).join(''))
}

/** The text form of a `tsvector`. */
export function wordVector(parts: readonly (readonly [Weight, string])[]): string {
  const positions = new Map<string, string[]>()
  let position = 0
  for (const [weight, text] of parts) {
    for (const word of wordsOf(text)) {
      position = Math.min(position + 1, POSITION_MAX)
      const known = positions.get(word)
      if (!known) positions.set(word, [`${position}${weight}`])
      else if (known.length < POSITIONS_MAX) known.push(`${position}${weight}`)
    }
  }
  return [...positions].map(([word, places]) => `'${word}':${places}`).join(' ')
}

/** The text form of a `tsquery` for what has every word, or a word that begins with it. Without words it is empty and finds nothing. */
export function wordQuery(text: string): string {
  return [...new Set(wordsOf(text))].map(word => `'${word}':*`).join(' & ')
}
