import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { START } from '#platform/text/records.ts'
import { sendFile, someProducts } from '../../../../test/support/imports.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'
import { checkedBatches } from './checked-records.ts'
import { readNdjson } from './ndjson.ts'
import { readSpool } from './spool.ts'

let db: ProductDatabase
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())

const PIECE_BYTES = 100_000

test('of a file, however large, a few pieces and one batch are in memory', async () => {
  const importId = await sendFile(db.database, someProducts(8000), { pieceBytes: PIECE_BYTES })
  const [{ bytes } = { bytes: 0 }] = await db.database.query<{ bytes: number }>('select bytes from imports where import_id = $1', [
    importId
  ])
  let handedOut = 0
  async function* counted() {
    for await (const piece of readSpool(db.database, importId, 0)) {
      handedOut += piece.length
      yield piece
    }
  }
  let most = 0
  let dealtWith = 0
  for await (const batch of checkedBatches(readNdjson(counted(), { from: START, currency: null }), START)) {
    most = Math.max(most, handedOut - dealtWith)
    dealtWith = batch.at(-1)!.next.offset
  }
  assert.deepEqual([handedOut, dealtWith], [bytes, bytes])
  assert.ok(bytes > 20 * PIECE_BYTES && most < 5 * PIECE_BYTES, `${most} of ${bytes} bytes`)
})

test('a file is read on from any byte', async () => {
  const text = Array.from({ length: 1000 }, (_, index) => `${index}\n`).join('')
  const importId = await sendFile(db.database, text, { pieceBytes: 97 })
  for (const offset of [0, 1, 96, 97, 98, 1234, text.length - 1, text.length]) {
    let read = ''
    for await (const piece of readSpool(db.database, importId, offset)) read += piece.toString()
    assert.equal(read, text.slice(offset))
  }
})
