import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Type } from 'typebox'
import { Problem } from '#contracts/problems.ts'
import { Money } from '#contracts/resources/money.ts'
import { Commas, closed, Id, Line, page, Text } from '#contracts/resources/primitives.ts'
import { checkBody, checkParameters, FAULTS_MAX } from './validation.ts'

/** The faults that a check names, as `pointer code`; none when it lets the value pass. */
function faults(check: (value: unknown) => void, value: unknown): string[] {
  try {
    check(value)
    return []
  } catch (error) {
    assert.ok(error instanceof Problem && error.code === 'invalid-request', String(error))
    return (error.extensions.errors as { pointer: string; code: string }[]).map(({ pointer, code }) => `${pointer} ${code}`)
  }
}

const Item = Type.Object({ quantity: Type.Integer({ minimum: 1 }), note: Type.Optional(Text(5)) }, closed)
const Order = Type.Object({ name: Line(10), items: Type.Array(Item, { maxItems: 2 }), price: Type.Optional(Money) }, closed)

describe('a body', () => {
  const check = checkBody(Order)

  test('is let pass as it is, without being changed', () => {
    const body = Object.freeze({ name: 'a', items: Object.freeze([Object.freeze({ quantity: 1.0 })]) })
    assert.deepEqual(faults(check, body), [])
  })

  test('is told all of its faults at once, each with its place', () => {
    const body = { items: [{ quantity: 0 }, { quantity: '1', nöte: 1 }], price: { amount: '1.234', currency: 'EUR' }, 'a/b~': 1 }
    assert.deepEqual(faults(check, body).sort(), [
      '#/a~1b~0 additionalProperties',
      '#/items/0/quantity minimum',
      '#/items/1/n%C3%B6te additionalProperties',
      '#/items/1/quantity type',
      '#/name required',
      '#/price/amount pattern'
    ])
  })

  test('is taken by its types: nothing is read into another one', () => {
    for (const quantity of ['1', true, null, [1], { 0: 1 }, 1.5])
      assert.deepEqual(faults(check, { name: 'a', items: [{ quantity }] }), ['#/items/0/quantity type'], String(quantity))
    for (const body of [undefined, null, [], '{}', 0, true]) assert.deepEqual(faults(check, body), ['# type'], String(body))
  })

  test('counts characters as people do, and refuses what no text has', () => {
    const note = (note: string) => faults(check, { name: 'a', items: [{ quantity: 1, note }] })
    assert.deepEqual(note('😀😀😀😀😀'), [])
    assert.deepEqual(note('abcdef'), ['#/items/0/note maxLength'])
    for (const text of ['\0', '\x1b[', '\x7f', '\x85', '\ud800', '\udc00\ud800'])
      assert.deepEqual(note(text), ['#/items/0/note pattern'])
    assert.deepEqual(note('\t\r\n'), [])
    for (const name of [' ', '\n', 'a\nb', 'a\u2028', '']) assert.notDeepEqual(faults(check, { name, items: [] }), [], name)
  })

  test(`is told no more than ${FAULTS_MAX} faults, quickly, whatever it is made of`, () => {
    const startedAt = performance.now()
    const members = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`${'x'.repeat(80)}${i}`, i]))
    assert.equal(faults(check, members).length, FAULTS_MAX)
    assert.equal(faults(check, { name: 'a', items: Array(10_000).fill({ quantity: 0, note: '\0'.repeat(20) }) }).length, FAULTS_MAX)
    const ms = performance.now() - startedAt
    assert.ok(ms < 1000, `${ms} ms`)
  })

  test('cannot break the answer with a name that is no text', () => {
    assert.deepEqual(faults(check, { name: 'a', items: [], '\ud800': 1 }), ['#/%EF%BF%BD additionalProperties'])
  })
})

describe('parameters', () => {
  const check = checkParameters(
    Type.Object({ ...page, id: Type.Optional(Id('')), all: Type.Optional(Type.Boolean()) }, closed),
    'query'
  )
  const query = (members: Record<string, unknown>) => Object.assign(Object.create(null), members)

  test('are read from their text, and what is left out is filled in', () => {
    const given = query({ limit: '7', all: 'true' })
    assert.deepEqual(faults(check, given), [])
    assert.deepEqual({ ...given }, { limit: 7, all: true })
    const empty = query({})
    check(empty)
    assert.deepEqual({ ...empty }, { limit: 20 })
  })

  test('are refused when they are not what they stand for', () => {
    for (const limit of ['0', '101', '-1', '1.5', '', ' ', 'x', '1,2', 'NaN', 'Infinity', '1e400', '9'.repeat(400)])
      assert.notDeepEqual(faults(check, query({ limit })), [], limit)
    for (const all of ['1', 'yes', 'TRUE', '']) assert.notDeepEqual(faults(check, query({ all })), [], all)
  })

  test('are refused when they stand twice', () => {
    assert.deepEqual(faults(check, query({ limit: ['1', '2'], id: ['a', 'b'] })), ['#/query/limit type', '#/query/id type'])
  })

  test('are lists where the contract says so: joined by commas, or given once for each item', () => {
    const check = checkParameters(
      Type.Object(
        {
          counts: Type.Optional(Commas(Type.Integer({ minimum: 1 }), { maxItems: 3, description: '' })),
          brand: Type.Optional(Type.Array(Text(9, { minLength: 1 }), { maxItems: 2 }))
        },
        closed
      ),
      'query'
    )
    const read = (members: Record<string, unknown>) => {
      const given = query(members)
      assert.deepEqual(faults(check, given), [])
      return { ...given }
    }
    assert.deepEqual(read({ counts: '1,2', brand: 'a,b' }), { counts: [1, 2], brand: ['a,b'] })
    assert.deepEqual(read({ counts: ['1', '2,3'], brand: ['a', 'b,c'] }), { counts: [1, 2, 3], brand: ['a', 'b,c'] })
    assert.deepEqual(read({}), {})
    assert.deepEqual(faults(check, query({ counts: '1,x,0', brand: '' })).sort(), [
      '#/query/brand/0 minLength',
      '#/query/counts/1 type',
      '#/query/counts/2 minimum'
    ])
    assert.deepEqual(faults(check, query({ counts: '1,2,3,4', brand: ['a', 'b', 'c'] })).sort(), [
      '#/query/brand maxItems',
      '#/query/counts maxItems'
    ])
    for (const counts of ['', ',', '1,', ',1', '1,,2']) assert.notDeepEqual(faults(check, query({ counts })), [], counts)
  })

  test('are refused when nobody knows them, even __proto__', () => {
    const given = query(Object.fromEntries(['__proto__', 'a[__proto__][b]'].map(name => [name, 'x'])))
    assert.deepEqual(faults(check, given), [
      '#/query/__proto__ additionalProperties',
      '#/query/a%5B__proto__%5D%5Bb%5D additionalProperties'
    ])
  })
})
