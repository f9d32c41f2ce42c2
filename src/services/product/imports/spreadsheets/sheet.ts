import type { Row } from '#platform/text/csv.ts'
import { pointerTo } from '#platform/text/json.ts'
import type { RecordFault } from '#platform/text/records.ts'
import { codeIn, jsonOf, textIn } from './cells.ts'

/** The rows of one product, and what is wrong in their cells. */
export class Sheet {
  readonly rows: readonly Row[]
  /** The currency of prices that do not name theirs. */
  readonly currency: string | null
  readonly faults: RecordFault[] = []
  readonly #columns: readonly string[]

  constructor(rows: readonly Row[], columns: readonly string[], currency: string | null) {
    this.rows = rows
    this.currency = currency
    this.#columns = columns
  }

  tell(row: Row, place: number, code: string, detail: string): void {
    this.faults.push({ line: row.line, pointer: pointerTo(this.#columns[place]!), code, detail })
  }

  /** The first text in a column: what is said of the product stands in its first row, or in each. */
  first(place: number | undefined): string | undefined {
    const row = this.#firstRow(place)
    return row && textIn(row.cells, place)
  }

  /** The first code in a column. */
  firstCode(place: number | undefined): string | undefined {
    const row = this.#firstRow(place)
    return row && codeIn(row.cells, place)
  }

  /** The value of the first JSON in a column. */
  firstJson(place: number | undefined): unknown {
    const row = this.#firstRow(place)
    return row && this.json(row, place)
  }

  /** The value of the JSON in a cell. */
  json(row: Row, place: number | undefined): unknown {
    const text = textIn(row.cells, place)
    if (text === undefined) return undefined
    const read = jsonOf(text)
    if ('value' in read) return read.value
    this.tell(row, place!, 'malformed-json', read.detail)
    return undefined
  }

  #firstRow(place: number | undefined): Row | undefined {
    return place === undefined ? undefined : this.rows.find(({ cells }) => cells[place] !== '')
  }
}

/** Without the members that nothing is said of. */
export function given(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const name in members) if (members[name] !== undefined) kept[name] = members[name]
  return kept
}

/** The options that variants use, with their values in the order in which they come. */
export function optionsOf(
  names: readonly (string | undefined)[],
  variants: readonly { options?: unknown }[]
): object[] | undefined {
  const options = names
    .filter(name => name !== undefined)
    .map(name => ({ name, values: [...new Set(variants.flatMap(({ options }) => optionIn(options, name) ?? []))] }))
  const used = options.filter(({ values }) => values.length > 0)
  return used.length === 0 ? undefined : used
}

/** The value of an option, whatever it is called; undefined when there is none, or when a file has no options where they should be. */
export function optionIn(options: unknown, name: string): string | undefined {
  const has = typeof options === 'object' && options !== null && Object.hasOwn(options, name)
  return has ? (options as Record<string, string>)[name] : undefined
}
