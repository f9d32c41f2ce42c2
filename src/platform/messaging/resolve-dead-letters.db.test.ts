import assert from 'node:assert/strict'
import { after, beforeEach, suite, test } from 'node:test'
import { OrderConfirmed } from '#contracts/events/order-events.ts'
import { Problem } from '#contracts/problems.ts'
import { delivered, leaveEffect, openMessaging, quiet, startPart, ThingChanged } from '../../../test/support/messaging.ts'
import { runService } from '../../../test/support/service.ts'
import { productService } from '../../services/product/service.ts'
import type { Transaction } from '../postgres/database.ts'
import { consume } from './consume.ts'
import { type Consumer, on } from './consumer.ts'
import { CRASHES_MAX } from './crash-watch.ts'
import { type DeadLetterFilter, pruneDeadLetters, readDeadLetter, readDeadLetters } from './dead-letters.ts'
import { discardDeadLetters, replayDeadLetter, replayDeadLetters, type Slice } from './resolve-dead-letters.ts'

const tested = await openMessaging()
const { database } = tested
after(() => tested[Symbol.asyncDispose]())
beforeEach(() => database.query('truncate effects, inbox, parked_messages, dead_letters'))

type Change = { thingId: string; n: number; text?: string }

const consumerOf = (behaviour: (tx: Transaction, event: Change) => Promise<unknown>, name = 'tested.things'): Consumer => ({
  name,
  reactions: [on(ThingChanged, behaviour)],
  database,
  retryDelaysMs: [],
  log: quiet
})
const working = consumerOf(leaveEffect)
const refusing = consumerOf(() => Promise.reject(new Problem('not-sellable', 'It is archived')))
const replay = (slice: Partial<Slice> = {}, consumers = [working]) =>
  replayDeadLetters(database, consumers, { filter: {}, ...slice }, 'operator')
const discard = (slice: Partial<Slice> = {}) =>
  database.transact(tx => discardDeadLetters(tx, { filter: {}, ...slice }, 'operator', 'no longer needed'))
const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0)

/** Call by call, each going on where the one before has ended. */
async function inSlices(limit: number, consumer: Consumer) {
  const slices = [await replay({ limit }, [consumer])]
  for (let after = slices[0]!.next; after; after = slices.at(-1)!.next) slices.push(await replay({ limit, after }, [consumer]))
  return slices
}
const effects = async () =>
  (await database.query<{ thing_id: string; n: number }>('select thing_id, n from effects order by place')).map(
    ({ thing_id, n }) => `${thing_id}-${n}`
  )
const letters = (filter: DeadLetterFilter = {}) => readDeadLetters(database, filter, null, 1000)
const idsOf = async (filter: DeadLetterFilter) => (await letters(filter)).map(({ eventId }) => eventId)

/** Dead letters of changes, refused in this order. */
async function refused(ids: readonly string[], consumer = refusing): Promise<void> {
  for (const id of ids) {
    const [thingId, n] = id.split('-') as [string, string]
    await consume(consumer, delivered(thingId, Number(n)))
  }
}

suite('replaying all that match', () => {
  test('handles them oldest first, and no others; once more, there is nothing left to do', async () => {
    await refused(['a-1', 'b-1', 'a-2', 'b-2', 'a-3'])
    await consume(working, delivered('a', 9, { body: 'poison' }))
    assert.partialDeepStrictEqual(await replay({ filter: { key: 'a', reason: 'refused' } }), {
      matched: 3,
      replayed: 3,
      failed: 0,
      skipped: 0,
      next: null
    })
    assert.deepEqual(await effects(), ['a-1', 'a-2', 'a-3'])
    assert.partialDeepStrictEqual(await replay({ filter: { key: 'a', reason: 'refused' } }), { matched: 0, replayed: 0 })
    assert.deepEqual(await effects(), ['a-1', 'a-2', 'a-3'])
    assert.deepEqual((await idsOf({ status: 'open' })).slice(0, 2), ['b-1', 'b-2'])
    const [first] = await letters({ status: 'replayed' })
    assert.partialDeepStrictEqual(first, { resolvedBy: 'operator', attempts: 2 })
  })

  test('is by consumer, event type and time of receipt too', async () => {
    await refused(['a-1', 'b-1', 'c-1'])
    await refused(['d-1'], { ...refusing, name: 'tested.others' })
    const [, second, third] = await letters()
    const counts = async (filter: DeadLetterFilter) => (await replay({ filter, dryRun: true })).matched
    assert.equal(await counts({ consumer: 'tested.others' }), 1)
    assert.equal(await counts({ eventType: 'ThingChanged' }), 4)
    assert.equal(await counts({ eventType: 'Other' }), 0)
    assert.equal(await counts({ receivedFrom: second!.receivedAt, receivedTo: third!.receivedAt }), 1)
    assert.equal(await counts({ receivedTo: third!.receivedAt }), 2)
  })

  test('says in a dry run what there is, by kind, and does nothing', async () => {
    await refused(['a-1', 'b-1'])
    await consume(working, delivered('a', 9, { body: 'poison' }))
    const before = await letters()
    const { matched, replayed, groups } = await replay({ dryRun: true })
    assert.deepEqual([matched, replayed], [3, 0])
    assert.deepEqual(
      groups.map(({ consumer, eventType, reason, count }) => [consumer, eventType, reason, count]),
      [
        ['tested.things', 'ThingChanged', 'refused', 2],
        ['tested.things', null, 'undecodable', 1]
      ]
    )
    assert.deepEqual([groups[0]!.firstReceivedAt, groups[0]!.lastReceivedAt], [before[0]!.receivedAt, before[1]!.receivedAt])
    assert.deepEqual([await letters(), await effects()], [before, []])
  })

  test('goes on slice by slice, past what fails again: that stays open with its new error', async () => {
    const ids = Array.from({ length: 25 }, (_, index) => `thing-${index + 1}`)
    await refused(ids)
    const consumer = consumerOf(async (tx, event) => {
      await leaveEffect(tx, event)
      if (event.n % 5 === 0) throw new Error('a multiple of five')
    })
    const slices = await inSlices(10, consumer)
    assert.ok(slices.length >= 3 && slices.every(({ replayed, failed }) => replayed + failed <= 10))
    assert.deepEqual([sum(slices.map(each => each.replayed)), sum(slices.map(each => each.failed))], [20, 5])
    assert.deepEqual([slices[0]!.matched, slices[1]!.matched], [25, 25 - slices[0]!.replayed - slices[0]!.failed])
    assert.deepEqual(
      await effects(),
      ids.filter((_, index) => (index + 1) % 5 !== 0)
    )
    const open = await letters({ status: 'open' })
    assert.deepEqual(
      open.map(({ eventId, attempts, lastError }) => [eventId, attempts, lastError]),
      ['thing-5', 'thing-10', 'thing-15', 'thing-20', 'thing-25'].map(id => [id, 2, 'Error: a multiple of five'])
    )
  })

  test('leaves out what somebody else is at, and what belongs to a consumer that is gone', async () => {
    await refused(['a-1', 'b-1'])
    await refused(['c-1'], { ...refusing, name: 'tested.gone' })
    await database.transact(async tx => {
      await tx.query(`select from dead_letters where key = 'a' for update`)
      assert.partialDeepStrictEqual(await replay(), { replayed: 1, failed: 0, skipped: 2, next: null })
      assert.partialDeepStrictEqual(await discard({ filter: { key: 'a' } }), { matched: 1, discarded: 0 })
    })
    assert.deepEqual(await effects(), ['b-1'])
    assert.partialDeepStrictEqual(await replay(), { replayed: 1, skipped: 1 })
  })

  test('holds up nobody: what is live is handled meanwhile', async () => {
    await refused(Array.from({ length: 60 }, (_, index) => `old-${index + 1}`))
    const slow = consumerOf(async (tx, event) => {
      await tx.query('select pg_sleep(0.02)')
      await leaveEffect(tx, event)
    })
    let replaying = true
    const replayed = inSlices(1_000, slow).finally(() => {
      replaying = false
    })
    for (let n = 1; n <= 10; n++) assert.equal(await consume(working, delivered('live', n)), 'ack')
    assert.ok(replaying)
    assert.equal(sum((await replayed).map(each => each.replayed)), 60)
    assert.equal((await effects()).length, 70)
  })

  test('gets past what kills the process each time, which is left for somebody to replay alone', { timeout: 240_000 }, async () => {
    for (const [thingId, text] of [['a'], ['b', 'kill'], ['c']] as const)
      await consume(refusing, delivered(thingId, 1, text ? { event: { text } } : {}))
    let deaths = 0
    for (;;) {
      await using part = startPart('replay', tested.url)
      if ((await part.ended) === 0) {
        assert.deepEqual(part.lines.map(line => JSON.parse(line)).at(-1), { replayed: 1, failed: 0, skipped: 1 })
        break
      }
      assert.ok(++deaths <= CRASHES_MAX)
    }
    assert.equal(deaths, CRASHES_MAX)
    assert.deepEqual(await effects(), ['a-1', 'c-1'])
    assert.deepEqual(await idsOf({ status: 'open' }), ['b-1'])
    const [left] = await letters({ status: 'open' })
    assert.equal((await replayDeadLetter(database, [working], left!.deadLetterId, 'operator')).status, 'replayed')
  })
})

suite('discarding all that match', () => {
  test('keeps a note with each, slice by slice', async () => {
    await refused(['a-1', 'b-1', 'a-2', 'a-3'])
    assert.partialDeepStrictEqual(await discard({ filter: { key: 'a' }, dryRun: true }), { matched: 3, discarded: 0 })
    const first = await discard({ filter: { key: 'a' }, limit: 2 })
    assert.partialDeepStrictEqual(first, { matched: 3, discarded: 2 })
    assert.partialDeepStrictEqual(await discard({ filter: { key: 'a' }, limit: 2, after: first.next! }), {
      discarded: 1,
      next: null
    })
    assert.deepEqual(await idsOf({ status: 'discarded' }), ['a-1', 'a-2', 'a-3'])
    for (const letter of await letters({ status: 'discarded' }))
      assert.partialDeepStrictEqual(letter, { note: 'no longer needed', resolvedBy: 'operator' })
    assert.deepEqual([await idsOf({ status: 'open' }), await effects()], [['b-1'], []])
  })
})

test('those that were replayed or discarded are forgotten in time, open ones never', async () => {
  await refused(['a-1', 'b-1', 'c-1', 'd-1'])
  await replay({ filter: { key: 'a' } })
  await discard({ filter: { key: 'b' } })
  await discard({ filter: { key: 'd' } })
  await database.query(`update dead_letters set updated_at = now() - interval '91 days' where key <> 'd'`)
  assert.deepEqual(await pruneDeadLetters(database, 90), { done: 2, more: false })
  assert.deepEqual(await idsOf({}), ['c-1', 'd-1'])
})

test('a dead letter keeps a large body whole; a list has only its beginning', async () => {
  const text = `${'x'.repeat(16_381)}${'ä'.repeat(500_000)}`
  await consume(refusing, { ...delivered('a', 1, { event: { text } }), routingKey: 'thing.changed.v1' })
  const bytes = Buffer.concat([Buffer.from([0xff]), Buffer.alloc(1_000_000, 0x61)])
  await consume(working, delivered('b', 1, { body: bytes }))
  const [large, binary] = await letters()
  const whole = await readDeadLetter(database, large!.deadLetterId)
  assert.equal(JSON.parse(whole.body).text, text)
  assert.partialDeepStrictEqual(whole, { bodyEncoding: 'utf-8', position: 'test@1', messageId: 'a-1' })
  assert.equal(whole.bodyBytes, Buffer.byteLength(whole.body))
  assert.deepEqual([large!.bodyEncoding, large!.bodyBytes, whole.body.startsWith(large!.body)], ['utf-8', whole.bodyBytes, true])
  assert.ok(Buffer.byteLength(large!.body) > 16_380 && Buffer.byteLength(large!.body) <= 16_384)
  assert.partialDeepStrictEqual(binary, { bodyEncoding: 'base64', bodyBytes: 1_000_001 })
  assert.equal(Buffer.from(binary!.body, 'base64').length, 16_384)
  assert.ok(Buffer.from((await readDeadLetter(database, binary!.deadLetterId)).body, 'base64').equals(bytes))
})

test('over HTTP an operator looks, replays what matches and discards the rest with a note', async () => {
  await using product = await runService(productService)
  for (const orderId of ['o-1', 'o-2']) await product.deliver(OrderConfirmed, { orderId, items: 'many' })
  const post = (what: string, body: unknown) => product.request('POST', `/v1/dead-letters/${what}`, body)
  const dryRun = await post('replay', { reason: 'schema-invalid', dryRun: true })
  assert.partialDeepStrictEqual(dryRun, { status: 200, body: { dryRun: true, matched: 2, replayed: 0, next: null } })
  assert.partialDeepStrictEqual(dryRun.body.groups, [{ consumer: 'product.order-events', eventType: 'OrderConfirmed', count: 2 }])
  const failing = await post('replay', { consumer: 'product.order-events', limit: 1 })
  assert.partialDeepStrictEqual(failing, { status: 200, body: { matched: 2, replayed: 0, failed: 1, groups: [] } })
  const [first] = (await product.request('GET', '/v1/dead-letters')).body.data
  assert.deepEqual([failing.body.next, first.attempts], [first.deadLetterId, 2])
  // Somebody mends the message, as nobody can over HTTP.
  await product.database.query(`update dead_letters set body = $1 where key = 'o-2'`, [
    Buffer.from(first.body.replaceAll('o-1', 'o-2').replace('"many"', '[{"variantId":"v-1","quantity":1}]'))
  ])
  const rest = await post('replay', { after: failing.body.next })
  assert.partialDeepStrictEqual(rest, { status: 200, body: { matched: 1, replayed: 1, failed: 0, next: null } })
  assert.equal((await post('discard', { key: 'o-1' })).status, 400)
  const discarded = await post('discard', { key: 'o-1', note: 'a test' })
  assert.partialDeepStrictEqual(discarded, { status: 200, body: { discarded: 1, next: null } })
  const { body } = await product.request('GET', '/v1/dead-letters?receivedTo=2999-01-01T00:00:00Z&status=discarded')
  assert.partialDeepStrictEqual(body.data, [{ key: 'o-1', note: 'a test', resolvedBy: 'anybody' }])
})
