import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { gathered, inChunks, pieces } from '../../../test/support/chunks.ts'
import { type Row, readCsv } from './csv.ts'
import { fromCell, toCell, toCsvRow } from './csv-cells.ts'
import { FileRefused, type Header, type Place, ROW_BYTES_MAX, START } from './records.ts'

async function read(chunks: AsyncIterable<Uint8Array>, from: Place = START): Promise<{ header: Header; rows: Row[] }> {
  const { header, rows } = await readCsv(chunks, from)
  return { header, rows: await gathered(rows) }
}

const whole = (file: Buffer | string) => inChunks(Buffer.from(file as string), [])

/** Each row as `line: cells`, or `line: code at line`. */
async function told(file: Buffer | string): Promise<string[]> {
  const { rows } = await read(whole(file))
  return rows.map(({ line, cells, fault }) => `${line}: ${fault ? `${fault.code} at ${fault.line}` : cells.join('|')}`)
}

const refusal = (code: string) => (error: unknown) => error instanceof FileRefused && error.code === code

describe('rows of CSV', () => {
  test('are the same however the bytes are cut, and from the end of each the rest is the same', async () => {
    const part = fc.constantFrom('"', '"', '""', ',', ',', '\n', '\r\n', '\r', 'a', 'é', ' ', '=1', '😀')
    const body = fc.array(part, { maxLength: 40 }).map(parts => `h1,h2\n${parts.join('')}`)
    await fc.assert(
      fc.asyncProperty(body, fc.array(fc.nat(9)), async (text, cuts) => {
        const file = Buffer.from(text)
        const { rows, header } = await read(whole(file))
        assert.deepEqual(await read(inChunks(file, cuts)), { rows, header })
        assert.deepEqual(await read(pieces(file, 1)), { rows, header })
        for (const [index, { next }] of rows.entries()) {
          const rest = await read(pieces(file.subarray(next.offset), 2), next)
          assert.deepEqual(rest, { header, rows: rows.slice(index + 1) })
        }
      }),
      { numRuns: 2000 }
    )
  })

  test('say what was written, whatever it is', async () => {
    // Cells are read in form C of Unicode.
    const cell = fc
      .string({ unit: fc.oneof(fc.constantFrom(...'",;\t\r\n\'=+-@ '), fc.string({ unit: 'grapheme', maxLength: 1 })) })
      .map(text => text.normalize('NFC'))
    const table = fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(table, async written => {
        const file = ['a,b,c\r\n', ...written.map(row => toCsvRow(row.map(toCell)))].join('')
        const { rows } = await read(whole(file))
        assert.deepEqual(
          rows.map(({ cells }) => cells.map(fromCell)),
          written
        )
      }),
      { numRuns: 1000 }
    )
  })

  for (const [name, delimiter] of Object.entries({ commas: ',', semicolons: ';', tabs: '\t' })) {
    test(`may have ${name} between their cells, which the header tells`, async () => {
      const file = [`a${delimiter}"b"${delimiter}c`, `1${delimiter}"x, y; z"${delimiter}`].join('\n')
      const { header, rows } = await read(whole(file))
      assert.deepEqual([header.delimiter, header.columns, rows[0]?.cells], [delimiter, ['a', 'b', 'c'], ['1', 'x, y; z', '']])
    })
  }

  test('keep line breaks, commas and doubled quotes that stand in quotes', async () => {
    assert.deepEqual(await told('a,b\r\n"x\r\ny","say ""hi"", you"\r\n1,2'), ['2: x\r\ny|say "hi", you', '4: 1|2'])
  })

  test('that are blank are passed over, and counted', async () => {
    assert.deepEqual(await told('\n\r\na,b\n\n , \n,\n1,2\n\n'), ['7: 1|2'])
  })

  test('with too few or too many cells are at fault, save for empty ones that spreadsheets add', async () => {
    assert.deepEqual(await told('a,b,c,\n1,2\n1,2,3\n1,2,3,4\n1,2,3,,,\n'), [
      '2: cell-count at 2',
      '3: 1|2|3',
      '4: cell-count at 4',
      '5: 1|2|3'
    ])
  })

  test('with other delimiters than the header are each told', async () => {
    assert.deepEqual(await told('a;b;c\n1,2,3\n1;2;3\n1\t2\t3\n'), ['2: cell-count at 2', '3: 1|2|3', '4: cell-count at 4'])
  })

  test('say how far they go when they go over several lines and are at fault', async () => {
    const { rows } = await read(whole('a,b\n"1\n2\n3"\n'))
    assert.match(rows[0]!.fault!.detail, /^The row, which goes on to line 4, has 1 cells, and the header has 2 columns$/)
  })
})

describe('quotes that do not add up cost their row, and no other', () => {
  const rows = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `${from + index},"x",z`).join('\n')
  const sound = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `${from + index}: ${from + index}|x|z`)

  const cases: Record<string, string> = {
    'opened and never closed': '5,"x,z',
    'opened in the first cell': '"5,x,z',
    'opened in the last cell': '5,x,"z',
    'not doubled inside quotes': '5,"x "y" z",z',
    'followed by something': '5,"x"y,z',
    'inside a cell without quotes': '5,x"y,z',
    'after a space': '5, "x",z'
  }
  for (const [name, row] of Object.entries(cases)) {
    test(`at the start, the middle and the end of a file: ${name}`, async () => {
      assert.deepEqual(await told(`a,b,c\n1,x,z\n${rows(3, 4)}\n${row}\n${rows(6, 9)}\n`), [
        '2: 1|x|z',
        ...sound(3, 4),
        '5: unbalanced-quotes at 5',
        ...sound(6, 9)
      ])
      assert.deepEqual(await told(`a,b,c\n${row}\n${rows(3, 4)}`), ['2: unbalanced-quotes at 2', ...sound(3, 4)])
      assert.deepEqual(await told(`a,b,c\n${rows(2, 4)}\n${row}`), [...sound(2, 4), '5: unbalanced-quotes at 5'])
    })
  }

  test('also without another quote in a file that is larger than a row may be', async () => {
    const rows = Array.from({ length: 200_000 }, (_, index) => `${index + 3},x,z`)
    const lines = await told(`a,b,c\n2,"x,z\n${rows.join('\n')}\n`)
    assert.equal(lines.length, 200_001)
    assert.deepEqual([lines[0], lines[1], lines.at(-1)], ['2: unbalanced-quotes at 2', '3: 3|x|z', '200002: 200002|x|z'])
  })

  test('in time that grows with the file, when every row has one', async () => {
    const started = performance.now()
    const lines = await told(`a,b,c\n${'x","y\n'.repeat(30_000)}${'x,"y\n'.repeat(30_000)}`)
    assert.equal(lines.length, 60_000)
    assert.ok(performance.now() - started < 20_000)
  })

  test('of a cell that begins on a later line, at that line', async () => {
    assert.deepEqual(await told('a,b,c\n1,"x\ny","z\n1,2,3\n'), ['2: unbalanced-quotes at 3', '4: 1|2|3'])
  })

  test('and what could be read before them is there', async () => {
    const { rows } = await read(whole('a,b,c\nshoe,"x, y","z\nshoe,x,z"z\n'))
    assert.deepEqual(
      rows.map(({ cells }) => cells),
      [
        ['shoe', 'x, y'],
        ['shoe', 'x']
      ]
    )
  })

  test('while in tab-separated files a quote inside a cell stands for itself, and a row is a line', async () => {
    assert.deepEqual(await told('a\tb\n24" black\t"Best" of\n"a ""b"""\tc\n"open\tc\nd\te\n'), [
      '2: 24" black|"Best" of',
      '3: a "b"|c',
      '4: unbalanced-quotes at 4',
      '5: d|e'
    ])
  })
})

describe('rows that nobody should send', () => {
  test('of more than 1 MiB are told, and reading goes on behind them', async () => {
    const cell = 'x'.repeat(ROW_BYTES_MAX - 5)
    assert.deepEqual(
      (await told(`a,b\n1,"${cell}"\n2,"${cell}x"\n3,${cell}xxxx\n4,x\n`)).map(line => line.slice(0, 25)),
      [`2: 1|${'x'.repeat(20)}`, '3: line-too-long at 3', '4: line-too-long at 4', '5: 4|x']
    )
  })

  test('in Latin-1 are told one by one, and those between them are read', async () => {
    const file = Buffer.concat([Buffer.from('a,b\n1,ok\n2,gr'), Buffer.from([0xfc]), Buffer.from('n\n3,grün\n')])
    assert.deepEqual(await told(file), ['2: 1|ok', '3: encoding at 3', '4: 3|grün'])
  })

  test('are told each, ten thousand of them', async () => {
    const lines = await told(`a,b\n${'1,2,3\n'.repeat(10_000)}1,2\n`)
    assert.equal(lines.filter(line => line.includes('cell-count')).length, 10_000)
    assert.equal(lines.at(-1), '10002: 1|2')
  })
})

describe('a header', () => {
  const header = async (file: Buffer | string) => (await read(whole(file))).header
  const refused = (file: Buffer | string, code: string) => assert.rejects(header(file), refusal(code))

  test('has its names trimmed, and may be all there is', async () => {
    assert.deepEqual(await read(whole('\ufeff a ,"b c", d\r\n')), {
      header: { columns: ['a', 'b c', 'd'], delimiter: ',' },
      rows: []
    })
  })

  test('that is missing, or that rows cannot be told by, refuses the file', async () => {
    await refused('', 'no-header')
    await refused('\n \n', 'no-header')
    await refused('a,b,A\n', 'duplicate-column')
    await refused('a,,b\n', 'unnamed-column')
    await refused('a,"b\n1,2\n', 'unbalanced-quotes')
    await refused('a,b\r1,2\r', 'line-breaks')
    await refused('a'.repeat(70_000), 'header-too-long')
    await refused(Array.from({ length: 1001 }, (_, index) => index).join(','), 'too-many-columns')
    await refused(Buffer.from([0x61, 0x2c, 0xfc, 0x0a]), 'unsupported-encoding')
    await refused(Buffer.from('a,b\n', 'utf16le'), 'unsupported-encoding')
  })
})

describe('cells', () => {
  test('that a spreadsheet would run stand behind an apostrophe, and come out as they were', () => {
    for (const text of ['=1+1', '+1', '-1', '@a', '\ta', '\ra', '＝1', '', "'", "''", "'=1", "'tis", "''tis", 'plain', ' =1']) {
      assert.equal(fromCell(toCell(text)), text)
      assert.doesNotMatch(toCell(text), /^[=+\-@\t\r＝＋－＠]/)
    }
    assert.equal(toCell("'tis"), "'tis")
  })
})
