import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { userEvents } from '#contracts/events/user-events.ts'
import { decode, knownEvents } from '../messaging/decode.ts'
import { readCsv } from './csv.ts'
import { JsonRefused, parseJson } from './json.ts'
import { normalizedJson, normalizedText } from './unicode.ts'

const E = 'e\u0301'
const É = '\u00e9'

describe('text from outside', () => {
  test('is in normalization form C, whatever it was, and otherwise what it was', () => {
    assert.equal(normalizedText(E), É)
    assert.equal(normalizedText('\u1100\u1161'), '\uac00')
    // Compatibility forms, joiners and directions are what people meant.
    for (const text of ['Ａ', 'ﬁ', '²', 'a\u200db', '\u202eabc', '\ufeff', '👨‍👩‍👧']) assert.equal(normalizedText(text), text)
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), text => assert.equal(normalizedText(text), text.normalize('NFC'))))
  })

  test('is so in JSON at every depth, in names too, written with escapes or without', () => {
    for (const text of [`{"${E}":["${E}",{"a":"${E}"}]}`, '{"e\\u0301":["e\\u0301",{"a":"\\u0065\\u0301"}]}']) {
      assert.deepEqual(parseJson(Buffer.from(text)), { [É]: [É, { a: É }] })
    }
    assert.equal(parseJson(Buffer.from(`"${E}"`)), É)
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), texts => {
        const json = JSON.stringify({ texts: [texts] })
        assert.deepEqual(normalizedJson(JSON.parse(json), json), { texts: [texts.map(text => text.normalize('NFC'))] })
      })
    )
  })

  test('names nothing twice in JSON, however it is typed', () => {
    assert.throws(() => parseJson(Buffer.from(`{"${E}":1,"${É}":2}`)), JsonRefused)
    assert.throws(() => parseJson(Buffer.from(`{"e\\u0301":1,"${É}":2}`)), JsonRefused)
  })

  test('is so in the cells and the header of a file', async () => {
    async function* file() {
      yield Buffer.from(`title,${E}\n"Caf${E}",${E}\n`)
    }
    const { header, rows } = await readCsv(file(), { offset: 0, line: 1, header: null })
    for await (const { cells } of rows) assert.deepEqual(cells, [`Caf${É}`, É])
    assert.equal(header.columns.at(-1), É)
  })

  test('is so in an event that somebody else publishes', () => {
    const body = JSON.stringify({
      eventType: 'UserUpdated',
      eventId: 'e-1',
      userId: 'u-1',
      name: `Ren${E}`,
      status: 'active',
      timestamp: '2026-11-28T00:00:00.000Z'
    })
    const message = { topic: 'user.events', key: 'u-1', messageId: 'e-1', routingKey: '', headers: {}, body: Buffer.from(body) }
    const decoded = decode(message, knownEvents(userEvents))
    assert.ok(decoded.kind === 'event', JSON.stringify(decoded))
    assert.equal(decoded.event.name, `Ren${É}`)
  })

  test('nests as deep in an event as it likes, without ending the process', () => {
    const json = `${'['.repeat(100_000)}"${E}"${']'.repeat(100_000)}`
    assert.ok(Array.isArray(normalizedJson(JSON.parse(json), json)))
  })
})
