import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { gathered, inChunks, pieces } from '../../../test/support/chunks.ts'
import { openText, readLines } from './lines.ts'
import { FileRefused, LINE_BYTES_MAX, type Place, START } from './records.ts'

const BYTES_MAX = 16

async function linesOf(chunks: AsyncIterable<Uint8Array>, from: Place = START, bytesMax = BYTES_MAX) {
  const lines: { line: number; text: string; long: boolean; next: Place }[] = []
  for await (const { line, bytes, long, next } of readLines(chunks, from, bytesMax)) {
    lines.push({ line, text: bytes.toString(), long, next })
  }
  return lines
}

const whole = (file: Uint8Array | string) => inChunks(Buffer.from(file as string), [])

describe('lines of a file', () => {
  test('are the same however its bytes are cut, and from the end of each the rest is the same', async () => {
    const texts = fc
      .array(fc.constantFrom('a', 'é', '\n', '\r\n', '0123456789', '😀'), { maxLength: 40 })
      .map(parts => parts.join(''))
    await fc.assert(
      fc.asyncProperty(texts, fc.array(fc.nat(20)), async (text, cuts) => {
        const file = Buffer.from(text)
        const lines = await linesOf(whole(file))
        assert.deepEqual(await linesOf(inChunks(file, cuts)), lines)
        assert.deepEqual(await linesOf(pieces(file, 1)), lines)
        for (const [index, { next }] of lines.entries()) {
          assert.deepEqual(await linesOf(pieces(file.subarray(next.offset), 3), next), lines.slice(index + 1))
        }
      }),
      { numRuns: 500 }
    )
  })

  test('end with a line break, or with the file, and are counted from one', async () => {
    const lines = await linesOf(whole('a\n\nb\r\nc'))
    assert.deepEqual(
      lines.map(({ line, text, next }) => [line, text, next.offset]),
      [
        [1, 'a\n', 2],
        [2, '\n', 3],
        [3, 'b\r\n', 6],
        [4, 'c', 7]
      ]
    )
  })

  test('of as many bytes as may be are read, of one more are too long, and reading goes on behind them', async () => {
    const lines = await linesOf(whole(`${'a'.repeat(15)}\n${'b'.repeat(16)}\nc\n`))
    assert.deepEqual(
      lines.map(({ line, long, text }) => [line, long, text]),
      [
        [1, false, `${'a'.repeat(15)}\n`],
        [2, true, 'b'.repeat(16)],
        [3, false, 'c\n']
      ]
    )
  })

  test('of 64 MB are passed over with no more than a line and a chunk in memory', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x')
    let most = 0
    async function* file() {
      for (let count = 0; count < 1024; count++) {
        yield chunk
        most = Math.max(most, process.memoryUsage().arrayBuffers)
      }
      yield Buffer.from('\nshort\n')
    }
    const before = process.memoryUsage().arrayBuffers
    const lines = await linesOf(file(), START, LINE_BYTES_MAX)
    assert.deepEqual(
      lines.map(({ line, long, text, next }) => [line, long, text.length, next.offset]),
      [
        [1, true, LINE_BYTES_MAX, 64 * 1024 * 1024 + 1],
        [2, false, 6, 64 * 1024 * 1024 + 7]
      ]
    )
    // What is joined while a line grows is garbage until it is collected: less than a tenth of the line.
    assert.ok(most - before < 6.4 * 1024 * 1024, `${most - before} bytes were held`)
  })
})

describe('the first bytes of a file', () => {
  const opened = async (bytes: Buffer) => {
    const { chunks, from } = await openText(pieces(bytes, 1), START)
    return { from, rest: Buffer.concat(await gathered(chunks)).toString() }
  }

  test('may be the byte order mark of UTF-8, which is read past and counts', async () => {
    assert.deepEqual(await opened(Buffer.from('\ufeffa\n')), { from: { ...START, offset: 3 }, rest: 'a\n' })
    assert.deepEqual(await opened(Buffer.from('a')), { from: START, rest: 'a' })
    assert.deepEqual(await opened(Buffer.alloc(0)), { from: START, rest: '' })
  })

  const others = {
    'UTF-16 with its mark': Buffer.from('\ufeff{}', 'utf16le'),
    'UTF-16 without': Buffer.from('{}', 'utf16le'),
    'UTF-16, big end first': Buffer.from('{}', 'utf16le').swap16(),
    'a NUL': Buffer.from('\0\0'),
    'a workbook': Buffer.from('PK\x03\x04…'),
    'something compressed': Buffer.from([0x1f, 0x8b, 8, 0])
  }
  for (const [name, bytes] of Object.entries(others)) {
    test(`are refused, once for the whole file, when they are of ${name}`, async () => {
      await assert.rejects(opened(bytes), error => error instanceof FileRefused && error.code === 'unsupported-encoding')
    })
  }

  test('are not looked at when reading goes on further on', async () => {
    const from = { offset: 10, line: 2, header: null }
    const { chunks } = await openText(pieces(Buffer.from('\ufeffa'), 1), from)
    assert.equal(Buffer.concat(await gathered(chunks)).toString(), '\ufeffa')
  })
})
