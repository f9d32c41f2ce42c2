/** What a filter asks for as SQL: `table` has the beginning of a condition for each name that may be given, such as `r.subject =`. */
export function conditionsOf<Name extends string>(
  table: Readonly<Record<Name, string>>,
  given: { readonly [Each in Name]?: unknown },
  always = 'true'
): { where: string; values: unknown[] } {
  // Of the conditions that were given only, so that each finds its index.
  const names = (Object.keys(table) as Name[]).filter(name => given[name] != null)
  const parts = names.map((name, index) => `${table[name]} $${index + 1}`)
  return { where: [always, ...parts].join(' and '), values: names.map(name => given[name]) }
}
