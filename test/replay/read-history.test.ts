import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { readHistory } from '../../scripts/replay/read-history.ts'

const fixture = new URL('./order-history.csv', import.meta.url)

describe('reading an order history', () => {
  let folder: string
  let text: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'order-history-'))
    text = await readFile(fixture, 'utf8')
  })
  after(() => rm(folder, { recursive: true }))

  const read = async (name: string, content: string | Uint8Array) => {
    const file = join(folder, name)
    await writeFile(file, content)
    return readHistory(file)
  }

  test('every row is used once or counted once, with the reason why not', async () => {
    const { rows } = await read('plain.csv', text)
    assert.deepEqual(rows, {
      read: 33,
      sold: 12,
      cancelled: 10,
      unusable: { notAProduct: 3, noDescription: 1, correction: 1, noPrice: 1, malformed: 3, zeroQuantity: 1, wrongSign: 1 }
    })
  })

  test('an invoice names a code once, with the sum of its lines; codes that differ by case are one', async () => {
    const { sales } = await read('plain.csv', text)
    const invoice = (number: string) => sales.find(sale => sale.invoice === number)!
    assert.deepEqual(
      [...invoice('700001').units],
      [
        ['10001', 8],
        ['10002A', 4]
      ]
    )
    assert.deepEqual(
      [...invoice('700002').units],
      [
        ['10001', 3],
        ['10002A', 2],
        ['GIFT_0001_40', 1]
      ]
    )
    assert.deepEqual([invoice('700001').customer, invoice('700002').customer], ['15001', null])
  })

  test('invoices come in time order, wherever they stand in the file', async () => {
    const { sales, cancellations } = await read('plain.csv', text)
    assert.deepEqual(
      sales.map(sale => sale.invoice),
      ['700000', '700001', '700002', '700007', '700009', '700020']
    )
    assert.deepEqual(
      cancellations.map(cancellation => cancellation.invoice),
      ['C700006', 'C700008', 'C700010', 'C700012', 'C700013', 'C700019', 'C700023', 'C700021', 'C700022']
    )
  })

  test('the same history reads the same packed, in Windows-1252, with a byte order mark, CRLF, or month-first dates', async () => {
    const plain = await read('plain.csv', text)
    const american = text.replace(/(\d{4})-0?(\d+)-0?(\d+) 0?(\d+):(\d\d):\d\d/g, '$2/$3/$1 $4:$5')
    const others = {
      'packed.csv.gz': gzipSync(text),
      'windows.csv': Buffer.from(text, 'latin1'),
      'marked.csv': `\ufeff${text}`,
      'crlf.csv': text.replaceAll('\n', '\r\n'),
      'american.csv': american
    }
    for (const [name, content] of Object.entries(others)) assert.deepEqual(await read(name, content), plain, name)
    assert.ok(plain.articles.get('GIFT_0001_40')!.descriptions.has('Gift Voucher £40.00'))
  })

  test('an invoice of more products than an order may have is left out whole, and counted', async () => {
    const line = (invoice: number, code: number) => `${invoice},${code},THING,1,2011-03-01 09:00:00,1.0,,France`
    const lines = [...Array(1001).keys()].map(index => line(1, 20_000 + index))
    const fits = [...Array(1000).keys()].map(index => line(2, 20_000 + index))
    const { rows, sales } = await read('long.csv', [text.split('\n')[0], ...lines, ...fits].join('\n'))
    assert.deepEqual(rows, { read: 2001, sold: 1000, cancelled: 0, unusable: { tooManyItems: 1001 } })
    assert.deepEqual(
      sales.map(sale => sale.invoice),
      ['2']
    )
  })

  test('what is no such file says so', async () => {
    await assert.rejects(
      read('other.csv', 'a,b\n1,2\n'),
      /no order history in the Online Retail layout: it lacks InvoiceNo, StockCode/
    )
    await assert.rejects(read('empty.csv', ''), /is empty/)
    await assert.rejects(read('cut.csv.gz', gzipSync(text).subarray(0, 200)), /unexpected end of file/)
    await assert.rejects(readHistory(join(folder, 'missing.csv')), /ENOENT/)
  })
})
