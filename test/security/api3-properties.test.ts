/** API3:2023, broken object property level authorization: what comes in is closed and bounded, and nobody sets what only the service says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis } from '#contracts/catalogue.ts'

type Schema = { [keyword: string]: unknown; properties?: Record<string, Schema> }

/** Said by the service about a resource; none of them is anybody's to set. */
const ours = ['version', 'createdAt', 'updatedAt', 'reserved', 'available', 'sequence', 'createdBy', 'digest', 'prefix']

const bodies = apis.flatMap(({ service, operations }) =>
  Object.entries(operations).flatMap(([operationId, { body }]) =>
    body ? [[`${service} ${operationId}`, body as unknown as Schema] as const] : []
  )
)

/** Between services: whose key is it, and how new is what is to be indexed. */
const asked = ['product introspectApiKey /digest: is ours to say', 'search indexProduct /sequence: is ours to say']

/** Everything that is open or without bound in a schema, and every name in it that is ours, with its place. */
function faultsIn(schema: Schema, place = ''): string[] {
  const faults: string[] = []
  const { properties, patternProperties, additionalProperties, type, items } = schema as Record<string, never>
  if (properties || type === 'object') {
    const isMap = patternProperties !== undefined || (additionalProperties !== undefined && additionalProperties !== false)
    if (!isMap && additionalProperties !== false) faults.push(`${place}: takes any name`)
    if (isMap && schema.maxProperties === undefined) faults.push(`${place}: has any number of names`)
  }
  if (type === 'array' && schema.maxItems === undefined) faults.push(`${place}: has any number of items`)
  const isFixed = schema.enum !== undefined || schema.const !== undefined
  if (type === 'string' && schema.maxLength === undefined && !isFixed && !/\{\d+\}\$$|^\^\(?\\d/.test(String(schema.pattern)))
    faults.push(`${place}: has any length`)
  for (const [name, member] of Object.entries(properties ?? {}) as [string, Schema][]) {
    if (ours.includes(name)) faults.push(`${place}/${name}: is ours to say`)
    faults.push(...faultsIn(member, `${place}/${name}`))
  }
  for (const each of Object.values(patternProperties ?? {}) as Schema[]) faults.push(...faultsIn(each, `${place}/*`))
  if (items) faults.push(...faultsIn(items as Schema, `${place}/0`))
  for (const keyword of ['anyOf', 'allOf', 'oneOf']) {
    for (const each of (schema[keyword] ?? []) as Schema[]) faults.push(...faultsIn(each, place))
  }
  return faults
}

test('every body that comes in is closed and bounded at every depth, and sets nothing that is ours to say', () => {
  assert.ok(bodies.length > 20)
  assert.deepEqual(
    bodies.flatMap(([name, body]) => faultsIn(body).map(fault => `${name} ${fault}`)),
    asked
  )
})

test('a body that is open, without bound or sets what is ours would be found', () => {
  const text = { type: 'string', maxLength: 9 }
  const planted: [Schema, RegExp][] = [
    [{ type: 'object', properties: { a: text } }, /takes any name/],
    [{ type: 'object', additionalProperties: false, properties: { a: { type: 'string' } } }, /\/a: has any length/],
    [{ type: 'object', additionalProperties: false, properties: { a: { type: 'array', items: text } } }, /any number of items/],
    [{ type: 'object', patternProperties: { '^a': text } }, /any number of names/],
    [{ type: 'object', additionalProperties: false, properties: { version: { type: 'integer' } } }, /\/version: is ours/]
  ]
  for (const [schema, fault] of planted) assert.match(faultsIn(schema).join(), fault)
})
