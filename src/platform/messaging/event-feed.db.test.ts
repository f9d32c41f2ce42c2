import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { openMessaging } from '../../../test/support/messaging.ts'
import type { Queryable } from '../postgres/database.ts'
import { type FeedQuestion, readFeedPage, SCAN_MAX } from './event-feed.ts'
import { dropOldPartitions, ensurePartitions } from './event-log.ts'

const tested = await openMessaging()
const { database, admin } = tested
after(() => tested[Symbol.asyncDispose]())

const SIZE = 100_000

beforeEach(async () => {
  await admin.query(`do $$ declare name text; begin
    for name in select inhrelid::regclass::text from pg_inherits where inhparent = 'event_log'::regclass loop
      execute 'drop table ' || name;
    end loop;
    delete from outlets;
    update event_log_head set position = 0;
  end $$`)
  await ensurePartitions(database, SIZE)
})

/** Every 1000th event is rare; a body says its position. */
async function fill(count: number, body = `'{"n": ' || n || '}'`): Promise<void> {
  await database.query(
    `insert into event_log (position, event_id, topic, key, type, version, subject, sequence, body, logged_at)
     select n, gen_random_uuid(), 'product.events', 'a', case when n % 1000 = 0 then 'Rare' else 'Common' end, 1, 'thing/a', n, ${body},
       now() - interval '40 days'
     from generate_series((select position + 1 from event_log_head), (select position + ${count} from event_log_head)) n`
  )
  await database.query(`update event_log_head set position = position + ${count}`)
}

const read = (question: Partial<FeedQuestion>, bounds: Partial<{ limit: number; bytes: number }> = {}) =>
  readFeedPage(database, { after: 0, types: null, ...question }, { limit: 100, bytes: 1_000_000, ...bounds })
const positions = ({ events }: Awaited<ReturnType<typeof read>>) => events.map(({ position }) => position)

describe('a page of the event log', () => {
  test('has what comes after a position, in order, and says how far it looked and where the log ends', async () => {
    await fill(250)
    const page = await read({ after: 100 }, { limit: 3 })
    assert.deepEqual([positions(page), page.position, page.head], [[101, 102, 103], 103, 250])
    assert.deepEqual(page.events[0], { ...page.events[0], type: 'Common', body: '{"n": 101}' })
    const last = await read({ after: 247 })
    assert.deepEqual([positions(last), last.position, last.head], [[248, 249, 250], 250, 250])
  })

  test('is empty at the head, beyond it, and in a log that has no event yet', async () => {
    assert.deepEqual(await read({}), { events: [], position: 0, head: 0 })
    await fill(5)
    assert.deepEqual(await read({ after: 5 }), { events: [], position: 5, head: 5 })
    assert.deepEqual(await read({ after: 7_000_000_000 }), { events: [], position: 7_000_000_000, head: 5 })
  })

  test('ends early at so many bytes, and has one event at least', async () => {
    await fill(10, `repeat('x', 1000)`)
    const page = await read({}, { bytes: 2500 })
    assert.deepEqual([positions(page), page.position], [[1, 2, 3], 3])
    const large = await read({ after: 3 }, { bytes: 1 })
    assert.deepEqual([positions(large), large.position], [[4], 4])
  })

  test('of rare types looks at so many events and no more, and the pages together have them all', async () => {
    await fill(65_500)
    const first = await read({ types: ['Rare'], after: 64_999 })
    assert.deepEqual([positions(first), first.position], [[65_000], 65_500])
    const walked: number[] = []
    const pages: number[] = []
    for (let after = 0; after < 65_500; after = pages.at(-1)!) {
      const page = await read({ types: ['Rare', 'Unheard'], after })
      walked.push(...positions(page))
      pages.push(page.position)
    }
    assert.deepEqual(
      walked,
      Array.from({ length: 65 }, (_, n) => (n + 1) * 1000)
    )
    assert.deepEqual(pages, [SCAN_MAX, 2 * SCAN_MAX, 3 * SCAN_MAX, 65_500])
    const none = await read({ types: ['Unheard'] })
    assert.deepEqual([none.events, none.position], [[], SCAN_MAX])
    const full = await read({ types: ['Rare'] }, { limit: 2 })
    assert.deepEqual([positions(full), full.position], [[1000, 2000], 2000])
  })

  test('is refused with the oldest position once what comes next is not kept any more', async () => {
    await fill(SIZE)
    await ensurePartitions(database, SIZE)
    await fill(10)
    await database.query(`insert into outlets (name, position) values ('broker', ${SIZE + 10})`)
    assert.deepEqual(positions(await read({}, { limit: 1 })), [1])
    assert.deepEqual(await database.transact(tx => dropOldPartitions(tx, 30, SIZE)), ['event_log_0'])
    for (const question of [{}, { after: SIZE - 2 }, { after: 0, types: ['Rare'] }]) {
      await assert.rejects(read(question), (error: Problem) => {
        assert.ok(error instanceof Problem)
        assert.deepEqual([error.code, error.status, error.extensions], ['position-gone', 410, { oldestPosition: SIZE }])
        return true
      })
    }
    assert.deepEqual(positions(await read({ after: SIZE - 1 })).slice(0, 2), [SIZE, SIZE + 1])
  })

  test('is read from the index of one partition: what it costs does not grow with the log', async () => {
    await fill(90_000)
    await admin.query('analyze event_log')
    await using session = await database.connect('reader')
    const page = () => readFeedPage(session, { after: 50_000, types: null }, { limit: 100, bytes: 1_000_000 })
    await page()
    const before = await blocksRead(session)
    const { events } = await page()
    const blocks = (await blocksRead(session)) - before
    assert.equal(events.length, 100)
    assert.ok(blocks > 0 && blocks < 200, `${blocks} blocks were read`)
  })
})

/** Blocks this session asked for so far: of itself alone, since what others do is told late, whenever they flush it. */
async function blocksRead(session: Queryable): Promise<number> {
  await session.query('select pg_stat_force_next_flush()')
  const [row] = await session.query<{ blocks: number }>(
    `select sum(reads + hits)::bigint as blocks from pg_stat_get_backend_io(pg_backend_pid()) where object = 'relation'`
  )
  return row!.blocks
}
