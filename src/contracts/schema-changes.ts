/**
 * What differs between two JSON Schemas, in terms of who notices. `narrowed`: something that was valid is refused now, or
 * something may be missing that a writer has to give. `widened`: readers meet something that they were promised not to meet.
 * Words for people are no change, nor is a new property that nobody has to give.
 */
import type { Json, JsonObject } from './json-schema.ts'

export type SchemaChange = { kind: 'narrowed' | 'widened'; at: string; what: string }

/** The documents are what `$ref`s of each side point into. */
export type Documents = { before: JsonObject; after: JsonObject }

/** Every change, by place: `variants[].prices[].amount`. */
export function schemaChanges(before: Json, after: Json, documents: Documents): SchemaChange[] {
  return compare({ ...documents, at: '', seen: new Set() }, before, after)
}

type Context = Documents & { at: string; seen: ReadonlySet<string> }

/** The most values or branches that a message spells out. */
const SPELLED_OUT = 5

function compare(context: Context, before: Json | undefined, after: Json | undefined): SchemaChange[] {
  const sides = [before, after].map(side => JSON.stringify(side))
  const pair = sides.join(' ')
  if (context.seen.has(pair) || (sides[0] === sides[1] && !pair.includes('"$ref"'))) return []
  const inside = { ...context, seen: new Set([...context.seen, pair]) }
  const left = branchesOf(before, context.before)
  const right = branchesOf(after, context.after)
  if (left.length === 1 && right.length === 1) return compareBranch(inside, left[0]!, right[0]!)
  return compareBranches(inside, left, right)
}

/** Branches that did not change fall away; of the rest, those of one type are held against each other. */
function compareBranches(context: Context, left: JsonObject[], right: JsonObject[]): SchemaChange[] {
  const changes: SchemaChange[] = []
  const pairUp = (before: JsonObject, fits: (after: JsonObject) => boolean) => {
    const index = right.findIndex(fits)
    if (index < 0) return [before]
    const [after] = right.splice(index, 1)
    changes.push(...compareBranch(context, before, after!))
    return []
  }
  const changed = left.flatMap(before => pairUp(before, after => compareBranch(context, before, after).length === 0))
  const gone = changed.flatMap(before => pairUp(before, after => after.type === before.type))
  return [
    ...changes,
    ...gone.map(branch => change('narrowed', context, `cannot be ${nameOf(branch)} any more`)),
    ...right.map(branch => change('widened', context, `can be ${nameOf(branch)} now`))
  ]
}

function compareBranch(context: Context, before: JsonObject, after: JsonObject): SchemaChange[] {
  if (isNever(before) || isNever(after)) return opened(context, isNever(before), isNever(after))
  if (before.type !== after.type) return retyped(context, before, after)
  return [
    ...compareEnum(context, before, after),
    ...compareBounds(context, before, after),
    ...compareConstraints(context, before, after),
    ...compareProperties(context, before, after),
    ...compareParts(context, before, after)
  ]
}

function opened(context: Context, wasClosed: boolean, isClosed: boolean): SchemaChange[] {
  if (wasClosed === isClosed) return []
  return [isClosed ? change('narrowed', context, 'is refused now') : change('widened', context, 'is allowed now')]
}

function retyped(context: Context, before: JsonObject, after: JsonObject): SchemaChange[] {
  const what = `is ${nameOf(after)} instead of ${nameOf(before)}`
  const narrowed = change('narrowed', context, what)
  const widened = change('widened', context, what)
  if (before.type === undefined || (before.type === 'number' && after.type === 'integer')) return [narrowed]
  if (after.type === undefined || (before.type === 'integer' && after.type === 'number')) return [widened]
  return [narrowed, widened]
}

function compareEnum(context: Context, before: JsonObject, after: JsonObject): SchemaChange[] {
  if (!before.enum && !after.enum) return []
  const grows = before['x-extensible'] === true
  if (!grows && after['x-extensible'] === true) return [change('widened', context, 'may be words now that readers do not know')]
  if (!before.enum) return [change('narrowed', context, `must be one of ${spell(after.enum as Json[])} now`)]
  if (!after.enum) return [change('widened', context, 'can be any value now')]
  const [old, now] = [before.enum as Json[], after.enum as Json[]]
  const gone = old.filter(value => !now.includes(value))
  const added = now.filter(value => !old.includes(value))
  return [
    ...(gone.length > 0 ? [change('narrowed', context, `cannot be ${spell(gone)} any more`)] : []),
    ...(added.length > 0 && !grows ? [change('widened', context, `can be ${spell(added)} now, which readers do not know`)] : [])
  ]
}

const bounds = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'].flatMap(upper => [
  { keyword: upper, sign: 1 },
  { keyword: upper.replace('max', 'min').replace('Max', 'Min'), sign: -1 }
])

function compareBounds(context: Context, before: JsonObject, after: JsonObject): SchemaChange[] {
  return bounds.flatMap(({ keyword, sign }) => {
    const [old, now] = [before, after].map(schema => sign * Number(schema[keyword] ?? sign * Number.POSITIVE_INFINITY)) as [
      number,
      number
    ]
    if (old === now) return []
    const words = `has ${keyword} ${after[keyword] ?? 'none'} instead of ${before[keyword] ?? 'none'}`
    return [change(now < old ? 'narrowed' : 'widened', context, words)]
  })
}

/** Constraints that are only held to be equal or not. */
const constraints = [
  ...['pattern', 'format', 'multipleOf', 'uniqueItems', 'contentEncoding', 'contentMediaType', 'not', 'if', 'then', 'else'],
  ...['dependentRequired', 'dependentSchemas', 'propertyNames', 'contains', 'prefixItems', 'unevaluatedProperties']
]

function compareConstraints(context: Context, before: JsonObject, after: JsonObject): SchemaChange[] {
  return constraints.flatMap(keyword => {
    const [old, now] = [before, after].map(schema => schema[keyword] || undefined)
    if (isSameButForWords(old, now)) return []
    const narrowed = change('narrowed', context, `has another ${keyword}`)
    const widened = change('widened', context, `has another ${keyword}`)
    if (old === undefined) return [narrowed]
    return now === undefined ? [widened] : [narrowed, widened]
  })
}

/** Whether it is the same, but for words that an enumeration has gained which said that it would. */
function isSameButForWords(before: Json | undefined, after: Json | undefined): boolean {
  if (before === null || after === null || typeof before !== 'object' || typeof after !== 'object') return before === after
  const [old, now] = [before, after] as [JsonObject, JsonObject]
  const names = new Set([...Object.keys(old), ...Object.keys(now)])
  return Array.from(names).every(name => {
    if (name !== 'enum' || old['x-extensible'] !== true) return isSameButForWords(old[name], now[name])
    return (old.enum as Json[]).every(word => (now.enum as Json[] | undefined)?.includes(word))
  })
}

function compareProperties(context: Context, before: JsonObject, after: JsonObject): SchemaChange[] {
  const [old, now] = [mapOf(before.properties), mapOf(after.properties)]
  const [needed, needs] = [before, after].map(schema => new Set((schema.required ?? []) as string[])) as [Set<string>, Set<string>]
  const changes: SchemaChange[] = []
  for (const name of new Set([...Object.keys(old), ...Object.keys(now), ...needed, ...needs])) {
    const inside = below(context, name)
    if (name in old && !(name in now)) {
      const words = `was ${nameOf(old[name] as JsonObject)} and is gone`
      changes.push(change('narrowed', inside, words), change('widened', inside, words))
      continue
    }
    if (!needed.has(name) && needs.has(name)) changes.push(change('narrowed', inside, 'is required now'))
    if (needed.has(name) && !needs.has(name)) changes.push(change('widened', inside, 'may be missing now'))
    if (name in old) changes.push(...compare(inside, old[name], now[name]))
  }
  return changes
}

function compareParts(context: Context, before: JsonObject, after: JsonObject): SchemaChange[] {
  const [old, now] = [mapOf(before.patternProperties), mapOf(after.patternProperties)]
  const patterns = [...new Set([...Object.keys(old), ...Object.keys(now)])]
  const others = { before: before.additionalProperties ?? true, after: after.additionalProperties ?? true }
  const [allBefore, allAfter] = [before, after].map(schema => (schema.allOf ?? []) as Json[]) as [Json[], Json[]]
  return [
    ...compare({ ...context, at: `${context.at}[]` }, before.items ?? {}, after.items ?? {}),
    ...patterns.flatMap(pattern => compare(below(context, '*'), old[pattern] ?? others.before, now[pattern] ?? others.after)),
    ...compare(below(context, '*'), others.before, others.after),
    ...Array.from({ length: Math.max(allBefore.length, allAfter.length) }, (_, index) =>
      compare(context, allBefore[index] ?? {}, allAfter[index] ?? {})
    ).flat()
  ]
}

/**
 * A schema as the list of what it can be. Words that stand beside "any string" add nothing to it: that is how a contract marks
 * an enumeration as open.
 */
function branchesOf(schema: Json | undefined, document: JsonObject): JsonObject[] {
  const { anyOf, oneOf, ...rest } = resolved(schema, document)
  const choices = (anyOf ?? oneOf) as Json[] | undefined
  const types = Array.isArray(rest.type) ? rest.type : undefined
  if (types) return types.flatMap(type => branchesOf({ ...rest, type, ...(choices ? { anyOf: choices } : {}) }, document))
  if (!choices) return ['const' in rest ? { ...without(rest, 'const'), enum: [rest.const!] } : rest]
  const branches = choices.flatMap(choice => branchesOf({ ...rest, ...resolved(choice, document) }, document))
  const open = branches.some(branch => branch.type === 'string' && isBare(branch))
  return mergeWords(open ? branches.filter(branch => branch.type !== 'string' || isBare(branch)) : branches)
}

/** Several enumerations of one type are one. */
function mergeWords(branches: JsonObject[]): JsonObject[] {
  const words = Map.groupBy(branches, branch => (branch.enum ? branch.type : undefined))
  return [...words].flatMap(([type, found]) =>
    type === undefined ? found : [{ ...found[0]!, enum: found.flatMap(branch => branch.enum as Json[]) }]
  )
}

function resolved(schema: Json | undefined, document: JsonObject): JsonObject {
  if (schema === false) return { not: {} }
  if (schema === null || typeof schema !== 'object' || Array.isArray(schema)) return {}
  if (typeof schema.$ref !== 'string') return schema
  const target = schema.$ref
    .replace(/^#\//, '')
    .split('/')
    .reduce<Json | undefined>(
      (node, step) => (node as JsonObject | undefined)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')],
      document
    )
  if (target === undefined) throw new Error(`${schema.$ref} leads nowhere`)
  return { ...resolved(target, document), ...without(schema, '$ref') }
}

const words = new Set(['type', 'title', 'description', 'default', 'example', 'examples', 'deprecated', '$comment', 'x-extensible'])
const isNever = (branch: JsonObject) => JSON.stringify(branch.not) === '{}'
const isBare = (branch: JsonObject) => Object.keys(branch).every(keyword => words.has(keyword))
const mapOf = (json: Json | undefined) => (json ?? {}) as Record<string, Json>
const without = (schema: JsonObject, keyword: string) =>
  Object.fromEntries(Object.entries(schema).filter(([name]) => name !== keyword))
const below = (context: Context, name: string): Context => ({ ...context, at: context.at ? `${context.at}.${name}` : name })
const change = (kind: SchemaChange['kind'], { at }: Context, what: string): SchemaChange => ({ kind, at, what })

function spell(values: Json[]): string {
  const shown = values.slice(0, SPELLED_OUT).map(value => JSON.stringify(value))
  return values.length > SPELLED_OUT ? `${shown.join(', ')} and ${values.length - SPELLED_OUT} more` : shown.join(', ')
}

function nameOf(schema: JsonObject): string {
  if (Array.isArray(schema.enum)) return spell(schema.enum)
  return String(schema.title ?? schema.type ?? (schema.$ref as string | undefined)?.split('/').at(-1) ?? 'anything')
}
