import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Queryable } from '../postgres/database.ts'
import { type Cursors, type Key, openCursors, type Place, page, pageOfTexts } from './cursor.ts'

const open = (secret: string): Promise<Cursors> =>
  openCursors({ query: async () => [{ value: Buffer.from(secret) }] } as unknown as Queryable)
const cursors = await open('a secret of sixteen bytes or more')

/** The name under which a listing without filters seals. */
const listing = (name: string) => `${name} ${createHash('sha256').update('{}').digest('base64url')}`

const keys: fc.Arbitrary<Key> = fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.constant(null)), {
  minLength: 1,
  maxLength: 3
})

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

test('a page of texts is put together as it is sent', async () => {
  const letters: Place[] = ['"a"', '"b"', '"c"'].map((text, index) => ({ key: [text, index], text }))
  const list = (query: { limit?: number; cursor?: string }) =>
    pageOfTexts(cursors, 'letters', query, async (after, limit) => letters.slice(after ? Number(after[1]) + 1 : 0).slice(0, limit))
  const first = JSON.parse(await list({ limit: 2 }))
  assert.deepEqual(first.data, ['a', 'b'])
  assert.equal(await list({ limit: 2, cursor: first.nextCursor }), '{"data":["c"],"nextCursor":null}')
  assert.equal(await pageOfTexts(cursors, 'nothing', {}, async () => []), '{"data":[],"nextCursor":null}')
})

test('a page of texts may end before it is full, with a cursor to go on from where it ended', async () => {
  const looked: (Key | null)[] = []
  const list = (places: Place[], cursor?: string) =>
    pageOfTexts(cursors, 'sparse', { limit: 2, ...(cursor && { cursor }) }, async after => {
      looked.push(after)
      return places
    }).then(text => JSON.parse(text))
  const end: Place = { key: [null, 7], text: null }
  const a: Place = { key: [1], text: '1' }
  assert.deepEqual(await list([end]), { data: [], nextCursor: cursors.seal(listing('sparse'), [null, 7]) })
  const page = await list([a, end])
  assert.deepEqual(page.data, [1])
  await list([], page.nextCursor)
  assert.deepEqual(looked.at(-1), [null, 7])
  // Enough was found: the page goes on behind what it shows, wherever else was looked.
  assert.deepEqual((await list([a, a, a, end])).nextCursor, cursors.seal(listing('sparse'), [1]))
})
