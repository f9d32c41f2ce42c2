import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { FileRefused, LINE_BYTES_MAX, START } from '#platform/text/records.ts'
import { gathered, inChunks, pieces } from '../../../../test/support/chunks.ts'
import { readNdjson } from './ndjson.ts'

const read = (chunks: AsyncIterable<Uint8Array>, from = START) => gathered(readNdjson(chunks, { from, currency: null }))
const readText = (file: Buffer | string) => read(inChunks(Buffer.from(file as string), []))

/** Each record as its line and its value, or the codes of its faults. */
async function told(file: Buffer | string): Promise<unknown[]> {
  const records = await readText(file)
  return records.map(({ line, value, faults }) => [line, faults.length > 0 ? faults.map(({ code }) => code).join() : value])
}

describe('NDJSON', () => {
  test('is one product a line; blank lines are passed over, and counted', async () => {
    assert.deepEqual(await told('\ufeff{"title":"A"}\r\n\n \t\r\n{"title":"B"}'), [
      [1, { title: 'A' }],
      [4, { title: 'B' }]
    ])
    assert.deepEqual(await told(''), [])
    assert.deepEqual(await told('\n\n'), [])
  })

  test('is the same however it is cut, and from the end of each record the rest is the same', async () => {
    const line = fc.constantFrom('{"title":"Ä"}', '{', '', '\r', '{"a":1,"a":2}', '\0', '[1]', '"😀"')
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), fc.array(fc.nat(12)), async (lines, cuts) => {
        const file = Buffer.from(`{}\n${lines.join('\n')}`)
        const records = await read(inChunks(file, []))
        assert.deepEqual(await read(inChunks(file, cuts)), records)
        for (const [index, { next }] of records.entries()) {
          assert.deepEqual(await read(pieces(file.subarray(next.offset), 1), next), records.slice(index + 1))
        }
      }),
      { numRuns: 300 }
    )
  })

  test('tells of each line that is no JSON, or dangerous JSON, and reads the others', async () => {
    const latin1 = Buffer.concat([Buffer.from('{"title":"Gr'), Buffer.from([0xfc]), Buffer.from('n"}\n')])
    const file = Buffer.concat([
      Buffer.from('{}\n{"title":\n{"a":{"__proto__":1}}\n{"a":1,"a":2}\n{"a":"\0"}\n'),
      latin1,
      Buffer.from('{}\n')
    ])
    assert.deepEqual(await told(file), [
      [1, {}],
      [2, 'malformed-json'],
      [3, 'malformed-json'],
      [4, 'malformed-json'],
      [5, 'malformed-json'],
      [6, 'encoding'],
      [7, {}]
    ])
    const [, , dangerous, twice] = await readText(file)
    assert.equal(dangerous?.faults[0]?.pointer, '/a/__proto__')
    assert.deepEqual(twice?.faults, [
      { line: 4, pointer: '/a', code: 'malformed-json', detail: 'The name stands twice in one object' }
    ])
    const [, broken] = await readText(file)
    assert.equal(broken?.faults[0]?.detail, 'The line is not valid JSON')
  })

  test('tells of ten thousand bad lines each', async () => {
    const records = await told(`${'{"title":}\n'.repeat(10_000)}{}\n`)
    assert.deepEqual(records.slice(-2), [
      [10_000, 'malformed-json'],
      [10_001, {}]
    ])
  })

  test('tells of a line that is too long, and goes on behind it', async () => {
    const title = (length: number) => `{"title":"${'x'.repeat(length)}"}\n`
    const records = await told(`${title(LINE_BYTES_MAX - 13)}${title(LINE_BYTES_MAX - 12)}{}\n`)
    assert.deepEqual(
      records.map(record => (record as unknown[])[1]).map(value => (typeof value === 'string' ? value : 'read')),
      ['read', 'line-too-long', 'read']
    )
  })

  test('is refused as a whole when it is one JSON array over many lines, or another file altogether', async () => {
    const refused = (file: Buffer | string, code: string) =>
      assert.rejects(readText(file), error => error instanceof FileRefused && error.code === code)
    await refused('[\n{},\n{}\n]', 'malformed-json')
    await refused(Buffer.from('{"title":"A"}\n', 'utf16le'), 'unsupported-encoding')
    await refused('PK\x03\x04', 'unsupported-encoding')
  })
})
