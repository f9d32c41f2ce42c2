/** Requests that are almost right: a valid one, and what is wrong with it. */
import fc from 'fast-check'
import { headerValues, pathValues, spellings } from './hostile-values.ts'

/** JSON text in a tree of values, for what no value can say. */
class Raw {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

function write(value: unknown): string {
  if (value instanceof Raw) return value.text
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  return `{${Object.entries(value)
    .map(([name, member]) => `${JSON.stringify(name)}:${write(member)}`)
    .join(',')}}`
}

const junk: fc.Arbitrary<Raw> = fc
  .oneof(
    { weight: 4, arbitrary: fc.constantFrom(...spellings) },
    fc.jsonValue({ maxDepth: 2 }).map(value => JSON.stringify(value)),
    fc.string({ unit: 'binary' }).map(text => JSON.stringify(text)),
    fc.uuid().map(id => JSON.stringify(id))
  )
  .map(text => new Raw(text))

type Mutation = { kind: 'replace' | 'remove' | 'add' | 'repeat' | 'wrap'; at: number; by: Raw; name: string }

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('replace', 'replace', 'replace', 'remove', 'add', 'repeat', 'wrap'),
  at: fc.nat(10_000),
  by: junk,
  name: fc.oneof(fc.constantFrom('extra', 'id', 'version', '', 'a/b~c', '\ud800', '$', 'toString', 'a'.repeat(300)), fc.string())
})

type Container = { members: Record<string, unknown>; name: string }

function placesOf(root: Record<string, unknown>): Container[] {
  const places: Container[] = []
  const walk = (members: Record<string, unknown>) => {
    for (const [name, member] of Object.entries(members)) {
      places.push({ members, name })
      if (typeof member === 'object' && member !== null && !(member instanceof Raw)) walk(member as Record<string, unknown>)
    }
  }
  walk(root)
  return places
}

function mutated(valid: unknown, mutations: readonly Mutation[]): string {
  const root: Record<string, unknown> = { body: structuredClone(valid) }
  for (const { kind, at, by, name } of mutations) {
    const places = placesOf(root)
    const place = places[at % places.length]
    if (!place) break
    const member = place.members[place.name]
    if (kind === 'replace') place.members[place.name] = by
    else if (kind === 'wrap') place.members[place.name] = [member]
    else if (kind === 'repeat') place.members[place.name] = Array((at % 7) + 2).fill(member)
    else if (kind === 'remove' && Array.isArray(place.members)) place.members.splice(Number(place.name), 1)
    else if (kind === 'remove' && place.members !== root) delete place.members[place.name]
    else if (kind === 'add' && !Array.isArray(place.members) && place.members !== root)
      Object.defineProperty(place.members, name, { value: by, enumerable: true, configurable: true, writable: true })
  }
  return write(root.body)
}

const encoded = fc.string({ unit: 'binary', maxLength: 20 }).map(text => encodeURIComponent(text.toWellFormed()))

const queryPairs = fc.tuple(
  fc.oneof(
    fc.constantFrom(
      'limit',
      'cursor',
      'sku',
      'status',
      'orderId',
      'variantId',
      'slug',
      'q',
      'currency',
      'minPrice',
      'available',
      '__proto__',
      'a[b]'
    ),
    encoded
  ),
  fc.oneof(
    fc.constantFrom(
      '',
      '0',
      '1',
      '100',
      '101',
      '-1',
      '1e3',
      '%00',
      'active',
      'EUR',
      'true',
      '%27',
      '%25',
      '%F0%9F%98%80',
      'a'.repeat(300),
      '01990000-0000-7000-8000-000000000000'
    ),
    encoded
  )
)

const headers = fc
  .constantFrom(...Object.entries(headerValues))
  .chain(([name, values]) => fc.tuple(fc.constant(name), fc.constantFrom(...values)))

/** Null but for one time in so many. */
const once = <Value>(inSoMany: number, arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> =>
  fc.oneof({ weight: inSoMany - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary })

/** What is wrong with a request; `body` and `path` apply it to a valid one. */
export type Distortion = {
  body(valid: unknown): string
  path(template: string, params: Readonly<Record<string, string>>): string
  headers: Readonly<Record<string, string>>
}

export const distortion: fc.Arbitrary<Distortion> = fc
  .record({
    mutations: fc.array(mutation, { maxLength: 3, size: 'max' }),
    garbled: once(12, fc.tuple(fc.nat(500), fc.constantFrom('', '\0', '"', '{', ',', '\\', '}'))),
    param: once(5, fc.oneof(fc.constantFrom(...pathValues), encoded)),
    query: once(5, fc.array(queryPairs, { minLength: 1, maxLength: 3 })),
    headers: once(3, fc.array(headers, { minLength: 1, maxLength: 2 }))
  })
  .map(({ mutations, garbled, param, query, headers }) => ({
    body(valid) {
      const text = mutated(valid, mutations)
      return garbled ? text.slice(0, garbled[0]) + garbled[1] + text.slice(garbled[0] + 1) : text
    },
    path(template, params) {
      const path = template.replace(/\{(\w+)\}/g, (_, name) => param ?? params[name] ?? '')
      return query ? `${path}?${query.map(pair => pair.join('=')).join('&')}` : path
    },
    headers: Object.fromEntries(headers ?? []),
    [fc.toStringMethod]: () => JSON.stringify({ mutations, garbled, param, query, headers })
  }))
