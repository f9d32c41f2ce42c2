/** `npm run redeliver`. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { CategoryCreated, CategoryUpdated } from '#contracts/events/product-events.ts'
import { newId } from '#platform/id.ts'
import { announce } from '#platform/messaging/outbox.ts'
import { startRelay } from '#platform/messaging/relay.ts'
import { openWakeup } from '#platform/messaging/wakeup.ts'
import { type Database, openDatabase } from '#platform/postgres/database.ts'
import { migrate } from '#platform/postgres/migrate.ts'
import { readArguments } from '../../scripts/redeliver/arguments.ts'
import { run } from '../../scripts/redeliver/run.ts'
import { productService } from '../../src/services/product/service.ts'
import { searchService } from '../../src/services/search/service.ts'
import { quiet } from '../support/messaging.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { eventually } from '../support/world.ts'

const stack = new AsyncDisposableStack()
const given = process.env.DATABASE_URL
const [first, second] = [newId(), newId()]
let search: Database

/** Two categories, the first of them renamed, are in the log of the product service. The Order Service is somebody else's. */
before(async () => {
  const { url } = stack.use(await createTestDatabase())
  process.env.DATABASE_URL = url
  const open = async (service: typeof productService) => {
    const origin = { source: `/${service.name}-service`, announced: () => {}, changed: () => {}, committed: () => {} }
    const options = { url: await migrate(url, service, quiet), schema: service.name, poolSize: 2, log: quiet, origin }
    return stack.use(openDatabase(options))
  }
  const product = await open(productService)
  search = await open(searchService)
  const at = '2026-11-22T10:00:00.000Z'
  const category = (categoryId: string, name: string, version: number) => {
    return { categoryId, parentId: null, name, slug: name, path: [categoryId], version, createdAt: at, updatedAt: at }
  }
  await product.transact(async tx => {
    announce(tx, CategoryCreated, category(first, 'shoes', 1), 1)
    announce(tx, CategoryCreated, category(second, 'hats', 1), 1)
    announce(tx, CategoryUpdated, { ...category(first, 'boots', 2), changedFields: ['name'] }, 2)
  })
  const [outbox, eventLog] = ['outbox', 'event log'].map(name => openWakeup(product, name))
  await using _ = startRelay({ database: product, outbox: outbox!, eventLog: eventLog!, log: quiet })
  await eventually(
    () => product.query('select from event_log'),
    rows => rows.length === 3
  )
})
after(async () => {
  if (given === undefined) delete process.env.DATABASE_URL
  else process.env.DATABASE_URL = given
  await stack.disposeAsync()
})

async function command(...args: readonly string[]): Promise<{ all: boolean; out: string }> {
  const out = new PassThrough()
  const all = await run(readArguments(args), new AbortController().signal, out)
  out.end()
  return { all, out: await text(out) }
}

const known = async () =>
  (
    await search.query<{ category_id: string; sequence: number }>(
      'select category_id, sequence from categories order by category_id'
    )
  ).map(({ category_id, sequence }) => [category_id, sequence])

test('an index that has lost something has it again, of one key or type alone if that is wanted', {
  timeout: 240_000
}, async () => {
  const dryRun = await command('search.index', '--from', '1', '--types', 'CategoryCreated', '--dry-run')
  assert.deepEqual(dryRun, {
    all: true,
    out: 'Dry run: 2 events of the product service at 1 … 3 would be handed to search.index again\n'
  })
  assert.deepEqual(await known(), [])
  await command('search.index', '--from', '1', '--key', second)
  assert.deepEqual(await known(), [[second, 1]])
  const all = await command('search.index', '--from', '1', '--to', '1000000')
  assert.equal(all.all, true)
  assert.match(
    all.out,
    /^Handing events of the product service at 1 … 3 to search\.index again\n(.+\n)*3 handled, 0 parked, 0 dead letters\n$/
  )
  const complete = [first, second].toSorted().map(id => [id, id === first ? 2 : 1])
  assert.deepEqual(await known(), complete)
  await command('search.index', '--from', '1', '--to', '1')
  assert.deepEqual(await known(), complete, 'older news changes nothing')
})

test('what fails is told, with what to do about it', async () => {
  await search.query('alter table categories rename to elsewhere')
  const { all, out } = await command('search.index', '--from', '3')
  await search.query('alter table elsewhere rename to categories')
  assert.equal(all, false)
  assert.match(out, /\n0 handled, 1 parked, 0 dead letters\nWhat is parked is tried again by the service by itself\.\n$/)
})

test('what cannot be done is said, with what can', async () => {
  const refused: [args: string[], says: RegExp][] = [
    [[], /Name one consumer/],
    [['search.index'], /--from 1 is the first event/],
    [['search.index', '--from', 'x'], /--from must be a position/],
    [['search.index', '--from', '5', '--to', '4'], /--to 4 is before --from 5/],
    [['search.index', '--from', '1', '--type', 'A'], /Unknown option '--type'/],
    [['shop.index', '--from', '1'], /There is no service shop\. There are user, product, /],
    [['search.other', '--from', '1'], /There is no consumer search\.other\. The search service has search\.index, search\.users\./],
    [['search.index', '--from', '1', '--types', 'OrderCreated'], /search\.index does not react to OrderCreated/],
    [['search.index', '--from', '1', '--service', 'order'], /reads nothing of the order service, but of product/],
    [['search.index', '--from', '4'], /The event log ends at 3/],
    [['product.order-events', '--from', '1'], /no event log of the order service.*publishing them again/s]
  ]
  for (const [args, says] of refused) await assert.rejects(command(...args), { message: says })
})

test('its exit code says how it went', { timeout: 240_000 }, async () => {
  for (const [args, code] of [
    [['search.index', '--from', '1', '--key', second], 0],
    // One is parked, so that the others of its key have to wait behind it.
    [['search.index', '--from', '1'], 2],
    [['search.index', '--from', '9'], 1],
    [['search.index'], 64]
  ] as const) {
    const child = spawn(process.execPath, ['scripts/redeliver.ts', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    const [said] = await Promise.all([text(child.stderr), once(child, 'close')])
    assert.deepEqual([child.exitCode, said === ''], [code, code === 0 || code === 2])
  }
})
