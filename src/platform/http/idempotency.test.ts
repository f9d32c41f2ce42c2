import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { openProductDatabase } from '../../../test/support/product-database.ts'
import { claimKeys, fingerprintOf, pruneIdempotencyKeys, readIdempotencyKey, storeReplies } from './idempotency.ts'

describe('an Idempotency-Key', () => {
  const uuid = '8e03978e-40d5-43dd-bc93-6894a57f9324'
  const accepted: [string | undefined, string | undefined][] = [
    [undefined, undefined],
    [uuid, uuid],
    [`"${uuid}"`, uuid],
    [` ${uuid} `, uuid],
    [`\t"${uuid}" `, uuid],
    ['a', 'a'],
    ['"a"', 'a'],
    ['0', '0'],
    ['a,b', 'a,b'],
    ['a;b=1', 'a;b=1'],
    ["'a'", "'a'"],
    [':YWJj:', ':YWJj:'],
    ['?1', '?1'],
    ['a\\b', 'a\\b'],
    ['~!@#$%^&*()', '~!@#$%^&*()'],
    ['x'.repeat(255), 'x'.repeat(255)],
    [`"${'x'.repeat(255)}"`, 'x'.repeat(255)]
  ]
  const refused: (string | string[])[] = [
    '',
    ' ',
    '""',
    '"',
    '" "',
    '"a',
    'a"',
    'a"b',
    '"a"b',
    '"a" "b"',
    '"a";x=1',
    '"a\\"b"',
    'a b',
    'a, a',
    '"a", "a"',
    'a\tb',
    'a\0b',
    'a\x7f',
    'é',
    '\u00a0',
    '😀',
    'x'.repeat(256),
    `"${'x'.repeat(256)}"`,
    'x'.repeat(10_000),
    ['a', 'a'],
    []
  ]

  test('is the same key quoted and bare, and what is no key is refused', () => {
    for (const [header, key] of accepted) assert.equal(readIdempotencyKey(header), key, header)
    for (const header of refused) assert.throws(() => readIdempotencyKey(header), { code: 'invalid-request' }, String(header))
  })

  test('stands for one request: method, address, precondition and body', () => {
    const one = fingerprintOf('POST', '/v1/products', { a: 1, b: [{ c: 2, d: null }] }, undefined)
    assert.equal(fingerprintOf('POST', '/v1/products', { b: [{ d: null, c: 2 }], a: 1 }, undefined), one)
    const others = [
      fingerprintOf('PUT', '/v1/products', { a: 1, b: [{ c: 2, d: null }] }, undefined),
      fingerprintOf('POST', '/v1/products?x=1', { a: 1, b: [{ c: 2, d: null }] }, undefined),
      fingerprintOf('POST', '/v1/products', { a: 1, b: [{ c: 2 }] }, undefined),
      fingerprintOf('POST', '/v1/products', { a: '1', b: [{ c: 2, d: null }] }, undefined),
      fingerprintOf('POST', '/v1/products', { a: 1, b: [{ c: 2, d: null }] }, '"1"'),
      fingerprintOf('POST', '/v1/products', undefined, undefined),
      fingerprintOf('POST', '/v1/products', null, undefined),
      fingerprintOf('POST', '/v1/products', {}, undefined)
    ]
    assert.equal(new Set([one, ...others]).size, others.length + 1)
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b)
        if (same) assert.equal(fingerprintOf('POST', '/', a, undefined), fingerprintOf('POST', '/', b, undefined))
      })
    )
  })
})

describe('the record of a key', () => {
  test('is claimed by one transaction at a time, and says afterwards what was replied', async () => {
    await using db = await openProductDatabase()
    const request = { principal: 'a b', key: 'k', fingerprint: 'f' }
    const reply = { status: 201, headers: { etag: '"1"' }, body: '{"text":"\\u0000"}' }
    await db.database.transact(async tx => {
      assert.deepEqual(await claimKeys(tx, [request]), ['fresh'])
      const [same, ...others] = await db.database.transact(other =>
        claimKeys(other, [request, { ...request, principal: 'a', key: 'b-k' }, { ...request, key: 'K' }])
      )
      assert.ok(same instanceof Error && same.message && 'code' in same && same.code === 'idempotency-in-flight')
      assert.deepEqual(others, ['fresh', 'fresh'])
      storeReplies(tx, [{ request, reply }])
    })
    const claimed = await db.database.transact(tx =>
      claimKeys(tx, [{ ...request, key: 'other' }, request, { ...request, fingerprint: 'g' }])
    )
    assert.deepEqual(claimed.slice(0, 2), ['fresh', reply])
    assert.ok(claimed[2] instanceof Error && 'code' in claimed[2] && claimed[2].code === 'idempotency-key-reused')
  })

  test('is forgotten with the transaction that failed', async () => {
    await using db = await openProductDatabase()
    const request = { principal: 'a', key: 'k', fingerprint: 'f' }
    const failing = db.database.transact(async tx => {
      await claimKeys(tx, [request])
      storeReplies(tx, [{ request, reply: { status: 200, headers: {}, body: '' } }])
      throw new Error('no')
    })
    await assert.rejects(failing, /no/)
    assert.deepEqual(await db.database.transact(tx => claimKeys(tx, [request])), ['fresh'])
  })

  test('is forgotten after its time, a bounded number at a time', async () => {
    await using db = await openProductDatabase()
    const insert = (count: number, age: string) =>
      db.database.query(
        `insert into idempotency_keys (principal, key, fingerprint, status, headers, body, created_at)
         select 'p', $2 || n, 'f', 200, '{}', '', now() - $2::interval from generate_series(1, $1) n`,
        [count, age]
      )
    await insert(1500, '49 hours')
    await insert(3, '47 hours')
    assert.deepEqual(
      [
        await pruneIdempotencyKeys(db.database, 48),
        await pruneIdempotencyKeys(db.database, 48),
        await pruneIdempotencyKeys(db.database, 48)
      ],
      [1000, 500, 0]
    )
    assert.equal((await db.database.query('select 1 from idempotency_keys')).length, 3)
  })
})
