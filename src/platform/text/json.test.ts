import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { acceptable, refused } from '../../../test/support/json-vectors.ts'
import { canonical, fragmentOf, JsonRefused, parseJson, pointerTo } from './json.ts'
import { normalizedJson } from './unicode.ts'

const parse = (text: string | Buffer) => parseJson(Buffer.from(text as string))
const refusal = (text: string | Buffer): JsonRefused => {
  try {
    parse(text)
  } catch (error) {
    assert.ok(error instanceof JsonRefused, String(error))
    return error
  }
  throw new assert.AssertionError({ message: `${String(text).slice(0, 100)} was accepted` })
}

describe('JSON from outside', () => {
  for (const [name, text] of Object.entries(acceptable)) {
    test(`is read: ${name}`, () => assert.deepEqual(parse(text), JSON.parse(text)))
  }

  for (const [name, text] of Object.entries(refused)) {
    test(`is refused: ${name}`, () => void refusal(text))
  }

  /** As JSON.parse reads it, its texts in normalization form C. */
  const composed = (text: string) => normalizedJson(JSON.parse(text), text)

  test('is what JSON.parse reads, or is refused: never anything else', () => {
    const token = fc.constantFrom(
      ...'[]{}:,"\\-+.eE019 \n',
      '"a"',
      '"\\u0061"',
      'true',
      'null',
      '1e3',
      '{"a":',
      '\\ud83d',
      'é',
      '\0'
    )
    const texts = fc.oneof(
      fc.array(token, { maxLength: 20 }).map(tokens => tokens.join('')),
      fc.json(),
      fc.string({ unit: 'grapheme' }).map(text => JSON.stringify({ [text]: [text] }))
    )
    fc.assert(
      fc.property(texts, text => {
        let read: unknown
        try {
          read = parse(text)
        } catch (error) {
          assert.ok(error instanceof JsonRefused)
          return
        }
        assert.deepEqual(read, composed(text))
      }),
      { numRuns: 3000 }
    )
  })

  test('is never refused for being a value that people would send', () => {
    const value = fc.jsonValue({ maxDepth: 10, stringUnit: 'grapheme' }).filter(value => {
      const text = JSON.stringify(value)
      const nfc = text.normalize('NFC')
      // Two names may be one.
      if (JSON.stringify(JSON.parse(nfc)) !== nfc) return false
      return !/"(__proto__|constructor|prototype)":/.test(text) && !(text.match(/-?\d[\d.e+-]*/g) ?? []).some(isRounded)
    })
    const isRounded = (literal: string) => Number.isInteger(Number(literal)) && !Number.isSafeInteger(Number(literal))
    fc.assert(fc.property(value, value => assert.deepEqual(parse(JSON.stringify(value)), composed(JSON.stringify(value)))))
  })

  test('says where it is refused', () => {
    assert.equal(refusal('{"items":[{"quantity":1},{"quantity":1e999}]}').pointer, '/items/1/quantity')
    assert.equal(refusal('{"a/b":{"~":[[],["\\ud800"]]}}').pointer, '/a~1b/~0/1/0')
    assert.equal(refusal('[{"a":1,"a":2}]').pointer, '/0/a')
    assert.equal(refusal('not JSON').pointer, '')
  })

  test('is refused in time that grows with its size', () => {
    const megabyte = 2 ** 20
    const texts = [
      '['.repeat(megabyte),
      '{"a":'.repeat(megabyte / 5),
      `"${'\\'.repeat(megabyte - 3)}"`,
      `"${'\\ud800'.repeat(megabyte / 6)}"`,
      `[${' '.repeat(megabyte)}`,
      '1'.repeat(megabyte),
      `-${'e+'.repeat(megabyte / 2)}`,
      `{"${'a'.repeat(megabyte)}":}`
    ]
    for (const text of texts) {
      const startedAt = performance.now()
      refusal(text)
      const ms = performance.now() - startedAt
      assert.ok(ms < 500, `${text.slice(0, 10)}… took ${ms} ms`)
    }
  })
})

describe('a canonical text', () => {
  test('is one for one value, whatever the order of its names', () => {
    assert.equal(canonical({ b: 1, a: [{ d: null, c: 'é' }] }), '{"a":[{"c":"é","d":null}],"b":1}')
    const shuffled = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffled)
      if (typeof value !== 'object' || value === null) return value
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([name, member]) => [name, shuffled(member)])
      )
    }
    fc.assert(fc.property(fc.jsonValue(), value => assert.equal(canonical(shuffled(value)), canonical(value))))
  })

  test('is the value still, so another for another value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => assert.deepEqual(JSON.parse(canonical(value)), JSON.parse(JSON.stringify(value))))
    )
  })

  test('leaves out members that are undefined, as JSON does', () => {
    assert.equal(canonical({ a: undefined, b: [undefined] }), '{"b":[null]}')
  })
})

describe('a pointer', () => {
  test('escapes names as RFC 6901 has it', () => {
    assert.equal(pointerTo('a/b', 0, 'm~n', ''), '/a~1b/0/m~0n/')
  })

  test('is a URI fragment of bounded length, whatever the names', () => {
    assert.equal(fragmentOf('/a b/é/"'), '#/a%20b/%C3%A9/%22')
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 500 })), names => {
        const fragment = fragmentOf(pointerTo(...names))
        assert.ok(fragment.length <= 1 + names.length * 901)
        assert.match(decodeURIComponent(fragment), /^#(\/|$)/)
      })
    )
    assert.equal(fragmentOf('/\ud800'), '#/%EF%BF%BD')
  })
})
