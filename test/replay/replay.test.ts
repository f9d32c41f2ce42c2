import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openAuditDatabase } from '../../scripts/replay/audit-database.ts'
import { auditEffects } from '../../scripts/replay/audit-effects.ts'
import { auditEvents } from '../../scripts/replay/audit-events.ts'
import { type ReplayOptions, replay } from '../../scripts/replay/replay.ts'
import type { Report } from '../../scripts/replay/report.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { nothingWrong, smallHistory, wrongIn } from './small-history.ts'

const command = fileURLToPath(new URL('../../scripts/replay.ts', import.meta.url))
const run = promisify(execFile)

describe('the replay of an order history', { concurrency: false }, () => {
  let folder: string
  let file: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'replay-test-'))
    file = join(folder, 'history.csv')
    await writeFile(file, smallHistory())
  })
  after(() => rm(folder, { recursive: true }))

  const options = (more: Partial<ReplayOptions>): ReplayOptions => ({
    file,
    eventFaults: [],
    opening: {},
    kills: 0,
    seed: 7,
    concurrency: 8,
    ...more
  })

  test('events shuffled, duplicated and delayed change nothing; the command says so, as a table, as JSON and by its exit code', async () => {
    await using database = await createTestDatabase()
    const json = join(folder, 'report.json')
    const { stdout, stderr } = await run(process.execPath, [command, file, '--shuffle', '--duplicate', '--delay', '--json', json], {
      env: { ...process.env, DATABASE_URL: database.url }
    })
    const report: Report = JSON.parse(await readFile(json, 'utf8'))
    assert.deepEqual(wrongIn(report), nothingWrong)
    assert.deepEqual(report.orders, {
      placed: 60,
      confirmed: 60,
      rejected: 0,
      rejectedBy: {},
      cancelled: 7,
      completed: 53,
      pending: 0
    })
    assert.deepEqual(report.returns, { booked: 7, ofRejectedOrders: 0 })
    assert.deepEqual(
      report.events.consumers.map(({ due, applied }) => applied - due),
      [0, 0, 0]
    )
    assert.ok(report.events.duplicatesRefused! > 50, 'duplicates did come')
    assert.match(stdout, /applied twice +0\n +lost +0\n/)
    assert.match(stdout, /Nothing drifted, was oversold, lost or counted twice\.\n$/)
    assert.match(stderr, /replay \[.*\] 100%/)
  })

  test('a process that is killed three times loses nothing and counts nothing twice, and leaves nothing behind', async t => {
    const { TMPDIR } = process.env
    process.env.TMPDIR = folder
    t.after(() => {
      if (TMPDIR === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = TMPDIR
    })
    const report = await replay(options({ kills: 3 }))
    assert.deepEqual(wrongIn(report), nothingWrong)
    assert.equal(report.kills, 3)
    assert.deepEqual([report.orders.completed, report.orders.cancelled, report.returns.booked], [53, 7, 7])
    assert.deepEqual(
      (await readdir(folder)).filter(name => name.startsWith('product-service-replay')),
      []
    )
  })

  test('with too little stock orders are rejected, for that reason only, and what never left is not taken back', async () => {
    await using database = await createTestDatabase()
    const report = await replay(options({ databaseUrl: database.url, opening: { share: 0.5 } }))
    assert.deepEqual(wrongIn(report), nothingWrong)
    const { placed, confirmed, rejected, rejectedBy, cancelled, completed } = report.orders
    assert.ok(rejected > 15 && rejected < 45, `${rejected} rejected`)
    assert.deepEqual(rejectedBy, { INSUFFICIENT_STOCK: rejected })
    assert.deepEqual([placed, confirmed], [60, 60 - rejected])
    assert.equal(cancelled + completed, confirmed)
    assert.equal(report.returns.booked + report.returns.ofRejectedOrders + cancelled, 14)
    assert.equal(report.units.sold + report.units.cancelled + report.units.rejected, report.units.ordered)
  })

  test('drift, a dead letter, and every kind of loss and double counting are found, told apart and told of', async () => {
    await using database = await createTestDatabase()
    const found: Record<string, unknown> = {}
    const report = await replay(
      options({
        databaseUrl: database.url,
        async beforeAudit(url, played, heard) {
          await using audited = await openAuditDatabase(url)
          for (const [name, { sql }] of Object.entries(damages)) {
            await audited.query('begin')
            // The ledger is append-only; whoever damages it goes around its trigger.
            await audited.query('set local session_replication_role = replica')
            await audited.query(sql)
            const findings = [...(await auditEvents(audited, heard)).findings, ...(await auditEffects(audited, played))]
            found[name] = Object.fromEntries(findings.map(({ what, lost, twice }) => [what, [lost, twice]]))
            await audited.query('rollback')
          }
          await audited.query(`update product.stock_levels set on_hand = on_hand + 1 where variant_id = ${aVariant}`)
          await audited.query(aDeadLetter)
        }
      })
    )
    for (const [name, { finds }] of Object.entries(damages)) assert.deepEqual(found[name], finds, name)
    assert.deepEqual(
      report.findings.map(({ what }) => what),
      ['units that left', 'stock in search']
    )
    assert.deepEqual([report.ok, report.stock.drift, report.events.deadLettersOpen], [false, 1, 1])
  })

  test('the command says why it failed: 64 for what it cannot be asked, 1 for what went wrong', async () => {
    const failure = async (...args: string[]) => {
      const { code, stderr } = await run(process.execPath, [command, ...args]).catch(error => error)
      return `${code} ${stderr}`
    }
    assert.match(await failure(), /^64 Name one order history/)
    assert.match(await failure(join(folder, 'missing.csv')), /^1 ENOENT: no such file/)
  })
})

const anOrder = (status: string) => `(select min(order_id) from "order".orders where status = '${status}')`
const anOrderOfTwo = `(select min(order_id) from (select order_id from product.stock_ledger
  where kind = 'commit' group by 1 having sum(delta_reserved) = -2) o)`
const aVariant = '(select min(variant_id::text)::uuid from product.stock_levels)'
const anEntry = (condition: string) => `(select min(ledger_entry_id) from product.stock_ledger where ${condition})`
const again = (
  entry: string
) => `insert into product.stock_ledger (variant_id, location_id, kind, delta_on_hand, delta_reserved, on_hand_after,
    reserved_after, reason, note, order_id, actor)
  select variant_id, location_id, kind, delta_on_hand, delta_reserved, on_hand_after, reserved_after, reason, note, order_id, actor
  from product.stock_ledger where ledger_entry_id = ${entry}`
const aDeadLetter = `insert into search.dead_letters
    (dead_letter_id, consumer, topic, key, reason, attempts, first_error, last_error, headers, body)
  values (gen_random_uuid(), 'search.index', 'product.events', 'k', 'refused', 1, 'x', 'x', '{}', '')`

/** What must never happen, and what the audit must say of it: [lost, twice]. */
const damages: Readonly<Record<string, { sql: string; finds: Record<string, [lost: number, twice: number]> }>> = {
  nothing: { sql: 'select 1', finds: {} },
  'an event that a consumer never got': {
    sql: `delete from "order".inbox where event_id = (select min(event_id) from "order".inbox)`,
    finds: { 'events that order.stock never got': [1, 0] }
  },
  'an event that never reached the broker': {
    sql: `insert into "user".event_log (position, event_id, topic, key, type, version, subject, sequence, body)
      values (1, gen_random_uuid(), 'user.events', 'u-1', 'UserUpdated', 1, 'user/u-1', 1, '{}')`,
    finds: { 'events of user that the broker never got': [1, 0] }
  },
  'an order that is gone': {
    sql: `delete from "order".orders where order_id = ${anOrder('completed')}`,
    finds: { 'orders acknowledged': [1, 0], 'announcements of orders': [0, 5] }
  },
  'an order that was placed twice': {
    sql: `insert into "order".orders (order_id, user_id, status, items) select 'twin', user_id, 'pending', items
      from "order".orders where order_id = ${anOrder('completed')}`,
    finds: { 'orders acknowledged': [0, 1], 'answers to orders': [1, 0], 'announcements of orders': [1, 0] }
  },
  'a completion that the stock never heard of': {
    sql: `update product.reservations set status = 'reserved' where order_id = ${anOrderOfTwo};
      delete from product.event_log where type = 'InventoryCommitted' and key = ${anOrderOfTwo};
      delete from product.stock_ledger where kind = 'commit' and order_id = ${anOrderOfTwo}`,
    finds: { 'answers to orders': [1, 0], 'announcements of orders': [1, 0], 'units of orders in the ledger': [2, 0] }
  },
  'an answer that changed an order twice': {
    sql: `update "order".orders set version = version + 1 where order_id = ${anOrder('completed')}`,
    finds: { 'changes of orders': [0, 1] }
  },
  'an event that was announced twice': {
    sql: `insert into "order".event_log (position, event_id, topic, key, type, version, subject, sequence, body)
      select h.position + 1, gen_random_uuid(), topic, key, type, version, subject, sequence, body
      from "order".event_log e, "order".event_log_head h where e.position = 1`,
    finds: {
      'events of order that the broker never got': [1, 0],
      'events that product.order-events never got': [1, 0],
      'announcements of orders': [0, 1]
    }
  },
  'stock that was reserved twice for an order': {
    sql: again(anEntry(`kind = 'reserve' and delta_reserved = 1`)),
    finds: { 'units of orders in the ledger': [0, 1] }
  },
  'stock of a cancelled order that never came back': {
    sql: `delete from product.stock_ledger where ledger_entry_id = ${anEntry(`kind = 'release' and delta_reserved = -1`)}`,
    finds: { 'units of orders in the ledger': [1, 0] }
  },
  'a return that was booked twice': {
    sql: again(anEntry(`reason = 'returned'`)),
    finds: { 'units of returns in the ledger': [0, 1] }
  },
  'a return that was never booked': {
    sql: `delete from product.stock_ledger where ledger_entry_id = ${anEntry(`reason = 'returned'`)}`,
    finds: { 'units of returns in the ledger': [1, 0] }
  },
  'a unit that left without a trace': {
    sql: `update product.stock_levels set on_hand = on_hand - 1, version = version + 1
      where variant_id = (select variant_id from product.stock_levels where on_hand > reserved limit 1)`,
    finds: { 'units that left': [0, 1], 'stock in search': [1, 0] }
  },
  'a product that is gone': {
    sql: `delete from product.variants where variant_id = ${aVariant}`,
    finds: { 'products acknowledged': [1, 0] }
  },
  'a product that search knows an old version of': {
    sql: 'update search.products set sequence = sequence - 1 where product_id = (select min(product_id::text)::uuid from search.products)',
    finds: { 'products in search': [1, 0] }
  }
}
