import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { createTestDatabase } from '../../../test/support/postgres.ts'
import { openLog } from '../log.ts'
import { bigints, integers, texts, uuids } from './arrays.ts'
import { type Database, openDatabase } from './database.ts'

let server: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
before(async () => {
  server = await createTestDatabase()
  database = openDatabase({
    url: server.url,
    schema: 'public',
    poolSize: 1,
    log: openLog({ LOG_LEVEL: 'error', LOG_FORMAT: 'json' })
  })
})
after(async () => {
  await database[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const text = fc.string({ unit: 'binary', maxLength: 200 }).map(value => value.toWellFormed().replaceAll('\0', ''))
const int8 = fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
const int4 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })

test('lists arrive as they are, whatever is in them', async () => {
  const lists = fc.record({
    texts: fc.array(fc.option(text)),
    uuids: fc.array(fc.uuid()),
    bigints: fc.array(fc.option(int8)),
    integers: fc.array(int4)
  })
  await fc.assert(
    fc.asyncProperty(lists, async given => {
      const [row] = await database.query(
        `select $1::text[] as texts, $2::uuid[]::text[] as uuids, $3::bigint[]::text[] as bigints, $4::integer[] as integers`,
        [texts(given.texts), uuids(given.uuids), bigints(given.bigints), integers(given.integers)]
      )
      assert.deepEqual(row, {
        ...given,
        uuids: given.uuids.map(id => id.toLowerCase()),
        bigints: given.bigints.map(value => (value === null ? null : String(value)))
      })
    }),
    { numRuns: 200 }
  )
})

test('a list may be long, and its texts too', async () => {
  const long = Array.from({ length: 300 }, (_, index) => '€'.repeat(index * 50))
  const [row] = await database.query<{ lists: string[] }>('select $1::text[] as lists', [texts(long)])
  assert.deepEqual(row!.lists, long)
})
