/** Letters that Unicode does not take apart into a base letter and a mark. */
const spelledOut: Record<string, string> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i'
}

const SLUG_LENGTH_MAX = 180

/** A name in addresses made from a title: `Crème brûlée, 2 Stück` is `creme-brulee-2-stuck`. `fallback` when no ASCII is left of it. */
export function slugOf(title: string, fallback: string): string {
  const ascii = title
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[ßæœøłđðþı]/g, letter => spelledOut[letter]!)
    .replace(/\p{Mark}/gu, '')
    .replace(/['’]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
  return ascii.slice(0, SLUG_LENGTH_MAX).replace(/-$/, '') || fallback
}

/** What to try when a slug made from a title is taken: numbers from 2 on, and at last a part of the id, which nobody else has. */
export function alternativesTo(slug: string, id: string): string[] {
  const numbered = Array.from({ length: 98 }, (_, index) => `${slug}-${index + 2}`)
  return [...numbered, `${slug}-${id.slice(-12)}`]
}
