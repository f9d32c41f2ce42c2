/** Columns that become attributes: what the attribute is called, and how its value stands in a cell. */
import type { Static } from 'typebox'
import type { Attributes } from '#contracts/resources/product.ts'
import { slugOf } from '../../catalog/slug.ts'

export type AttributeValue = Static<typeof Attributes>[string]

/** How a value stands in a cell. What does not read as that is a text. */
export type As = 'text' | 'number' | 'boolean' | 'list' | 'policy'

/** Whose attribute a column is; `either` is the product's unless rows of one product differ in it. */
export type Level = 'product' | 'variant' | 'either'

/** An attribute in a column of a file. */
export type AttributeColumn = { place: number; level: Level; key: string; as: As }

const booleans = new Map<string, boolean>([
  ['true', true],
  ['false', false]
])
const policies = new Map([...booleans, ['continue', true], ['deny', false]])

const readings: Record<As, (cell: string) => AttributeValue | undefined> = {
  text: cell => cell,
  number: cell => (/^-?\d{1,15}(\.\d{1,15})?$/.test(cell) ? Number(cell) : undefined),
  boolean: cell => booleans.get(cell.toLowerCase()),
  list: cell => {
    const items = cell.split(',').map(item => item.trim())
    return items.filter(item => item !== '')
  },
  // Older files say what happens when there is no more, newer ones whether selling goes on.
  policy: cell => policies.get(cell.toLowerCase())
}

export function attributeOf(cell: string, as: As): AttributeValue {
  return readings[as](cell) ?? cell
}

/** The cell that reads as the value; undefined when there is none. */
export function attributeCell(value: AttributeValue, as: As): string | undefined {
  const cell = Array.isArray(value) ? value.join(', ') : typeof value === 'boolean' ? String(value).toUpperCase() : String(value)
  return cell !== '' && JSON.stringify(attributeOf(cell, as)) === JSON.stringify(value) ? cell : undefined
}

const metafield = /\((?:product|variant)\.metafields\.([^()]+)\)\s*$/
const KEY_LENGTH_MAX = 64
/** Names that JSON from outside may not have. */
const refused = new Set(['constructor', 'prototype'])

/** A lawful name for what a column says: `SEO Title` is `seoTitle`, `Google Shopping / Gender` is `googleShopping.gender`. */
export function attributeKeyOf(column: string, place: number): string {
  const name = metafield.exec(column)?.[1]
  const key = name
    ? name.replace(/[^A-Za-z0-9_.:-]/g, '').replace(/^[^A-Za-z]+/, '')
    : column
        .split(/\s\/\s/)
        .map(camelCased)
        .filter(Boolean)
        .join('.')
  const lawful = key.slice(0, KEY_LENGTH_MAX)
  return lawful === '' || refused.has(lawful) ? `column${place}` : lawful
}

function camelCased(words: string): string {
  const [first = '', ...rest] = slugOf(words, '').split('-')
  return [first, ...rest.map(word => word.charAt(0).toUpperCase() + word.slice(1))].join('').replace(/^[^A-Za-z]+/, '')
}
