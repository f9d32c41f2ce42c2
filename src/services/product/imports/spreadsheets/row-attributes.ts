import type { Row } from '#platform/text/csv.ts'
import { type AttributeColumn, type AttributeValue, attributeOf } from './attribute-columns.ts'
import { textIn } from './cells.ts'
import type { Sheet } from './sheet.ts'

type Values = Record<string, AttributeValue>

/** The attributes of a product and of the variant in each of its rows. */
export function attributesOf(sheet: Sheet, columns: readonly AttributeColumn[]): { ofProduct: Values; ofRow(row: Row): Values } {
  const ofProduct: Values = {}
  const ofVariants: AttributeColumn[] = []
  for (const column of columns) {
    const { place, level, key, as } = column
    const text = level === 'variant' ? undefined : sheet.first(place)
    if (level === 'variant' || (level === 'either' && differs(sheet, place))) ofVariants.push(column)
    else if (text !== undefined) ofProduct[key] = attributeOf(text, as)
  }
  const ofRow = ({ cells }: Row) => {
    const values: Values = {}
    for (const { place, key, as } of ofVariants) {
      const text = textIn(cells, place)
      if (text !== undefined) values[key] = attributeOf(text, as)
    }
    return values
  }
  return { ofProduct, ofRow }
}

function differs({ rows }: Sheet, place: number): boolean {
  return new Set(rows.map(({ cells }) => cells[place]).filter(cell => cell !== '')).size > 1
}

/** The attributes of columns, and those of a column of JSON; undefined when there are neither. */
export function withJson(values: Values, json: unknown): unknown {
  if (json === undefined) return Object.keys(values).length === 0 ? undefined : values
  // What is no object is for validation to refuse.
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? { ...values, ...json } : json
}
