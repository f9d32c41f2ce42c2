import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Cursors, type Key, openCursors, page } from './cursor.ts'
import type { Queryable } from './database.ts'

const open = (secret: string): Promise<Cursors> =>
  openCursors({ query: async () => [{ value: Buffer.from(secret) }] } as unknown as Queryable)
const cursors = await open('a secret of sixteen bytes or more')

const keys: fc.Arbitrary<Key> = fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer()), { minLength: 1, maxLength: 3 })

test('a cursor is opened by the listing that gave it, and fits into an address', () => {
  fc.assert(
    fc.property(fc.string(), keys, (listing, key) => {
      const cursor = cursors.seal(listing, key)
      assert.match(cursor, /^[\w-]+$/)
      assert.deepEqual(cursors.open(listing, cursor), key)
    })
  )
})

test('a cursor of which one bit is another is refused, wherever the bit is', () => {
  const cursor = cursors.seal('products', ['01990000-0000-7000-8000-000000000000', 7])
  const bytes = Buffer.from(cursor, 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const tampered = Buffer.from(bytes)
    tampered[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => cursors.open('products', tampered.toString('base64url')), { code: 'invalid-cursor' }, `bit ${bit}`)
  }
})

test('a cursor that nobody gave is refused', () => {
  const cursor = cursors.seal('products', ['a', 1])
  const others = [
    '',
    'x',
    'AAAA',
    cursor.slice(0, -1),
    cursor.slice(1),
    `${cursor}A`,
    `${cursor}=`,
    `${cursor} `,
    `${cursor}\0`,
    cursor + cursor,
    cursor.toUpperCase(),
    Buffer.from(cursor, 'base64url').toString('base64'),
    Buffer.from(JSON.stringify(['a', 1])).toString('base64url'),
    Buffer.alloc(16).toString('base64url'),
    Buffer.alloc(17).toString('base64url'),
    '..%2f..%2f',
    '😀'
  ].filter(other => other !== cursor)
  for (const other of others) assert.throws(() => cursors.open('products', other), { code: 'invalid-cursor' }, other)
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String(),
        fc.uint8Array().map(bytes => Buffer.from(bytes).toString('base64url'))
      ),
      other => {
        assert.throws(() => cursors.open('products', other), { code: 'invalid-cursor' })
      }
    )
  )
})

test('a cursor of another listing, or of another installation, is refused', async () => {
  const cursor = cursors.seal('products', ['a'])
  assert.throws(() => cursors.open('categories', cursor), { code: 'invalid-cursor' })
  const elsewhere = await open('another secret of sixteen bytes')
  assert.throws(() => elsewhere.open('products', cursor), { code: 'invalid-cursor' })
})

test('pages follow one another to the end, whatever their sizes; each page belongs to its filters', async () => {
  const numbers = Array.from({ length: 23 }, (_, i) => i)
  const list = (query: { limit?: number; cursor?: string; colour?: string }, name = 'numbers') =>
    page(
      cursors,
      name,
      query,
      async (after, limit) => numbers.filter(each => each > (after ? Number(after[0]) : -1)).slice(0, limit),
      each => [each]
    )

  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.integer({ min: 1, max: 30 })), async limits => {
      const seen: number[] = []
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const limit = limits.next().value
        const { data, nextCursor } = await list({ limit, ...(cursor ? { cursor } : {}) })
        assert.equal(data.length, Math.min(limit, numbers.length - seen.length))
        seen.push(...data)
        cursor = nextCursor
      }
      assert.deepEqual(seen, numbers)
    })
  )

  const { nextCursor } = await list({ limit: 2, colour: 'red' })
  await list({ limit: 3, colour: 'red', cursor: nextCursor! })
  await assert.rejects(list({ limit: 2, colour: 'blue', cursor: nextCursor! }), { code: 'invalid-cursor' })
  await assert.rejects(list({ limit: 2, cursor: nextCursor! }), { code: 'invalid-cursor' })
  await assert.rejects(list({ limit: 2, colour: 'red', cursor: nextCursor! }, 'others'), { code: 'invalid-cursor' })
})
