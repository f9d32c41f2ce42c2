import assert from 'node:assert/strict'
import { after, beforeEach, suite, test } from 'node:test'
import { OrderCompleted, OrderConfirmed } from '#contracts/events/order-events.ts'
import { Problem } from '#contracts/problems.ts'
import { change, delivered, leaveEffect, openMessaging, openTested, quiet, ThingChanged } from '../../../test/support/messaging.ts'
import { runService } from '../../../test/support/service.ts'
import { eventually } from '../../../test/support/world.ts'
import { productService } from '../../services/product/service.ts'
import type { Transaction } from '../postgres/database.ts'
import { isAway } from '../postgres/database-errors.ts'
import { consume } from './consume.ts'
import { type Consumer, on } from './consumer.ts'
import { readDeadLetter, readDeadLetters } from './dead-letters.ts'
import { discardDeadLetter, replayDeadLetter } from './resolve-dead-letters.ts'

const tested = await openMessaging()
const { database, admin } = tested
after(() => tested[Symbol.asyncDispose]())
beforeEach(() => database.query('truncate effects, inbox, parked_messages, dead_letters, outbox, things, changes'))

type Thing = { thingId: string; n: number }
type Behaviour = (tx: Transaction, event: Thing) => Promise<unknown>

const consumerOf = (behaviour: Behaviour, name = 'tested.things'): Consumer => ({
  name,
  reactions: [on(ThingChanged, behaviour)],
  database,
  retryDelaysMs: [],
  log: quiet
})
const working = consumerOf(leaveEffect)
const refusing = consumerOf(() => Promise.reject(new Problem('not-sellable', 'It is archived')))
const effects = async () => (await database.query('select thing_id, n from effects')).length
const open = async () => (await readDeadLetters(database, { status: 'open' }, null, 100)).map(({ deadLetterId }) => deadLetterId)
const replay = (id: string, consumer = working) => replayDeadLetter(database, [consumer], id, 'operator')

/** The dead letter of a message that was refused. */
async function refused(thingId = 'a', n = 1): Promise<string> {
  await consume(refusing, delivered(thingId, n))
  return (await open()).at(-1)!
}

test('dead letters are listed oldest first, filtered, and page by page', async () => {
  await consume(refusing, delivered('a', 1))
  await consume(refusing, delivered('b', 2))
  await consume(
    consumerOf(() => Promise.reject(new Error('no')), 'tested.others'),
    delivered('a', 3)
  )
  await consume(working, delivered('a', 4, { body: 'poison' }))
  const list = async (filter: Parameters<typeof readDeadLetters>[1]) =>
    (await readDeadLetters(database, filter, null, 100)).map(({ eventId }) => (eventId!.startsWith('sha256:') ? 'poison' : eventId))
  assert.deepEqual(await list({}), ['a-1', 'b-2', 'a-3', 'poison'])
  assert.deepEqual(await list({ consumer: 'tested.others' }), ['a-3'])
  assert.deepEqual(await list({ reason: 'refused' }), ['a-1', 'b-2'])
  assert.deepEqual(await list({ reason: 'undecodable' }), ['poison'])
  assert.deepEqual(await list({ key: 'b' }), ['b-2'])
  assert.deepEqual(await list({ eventType: 'ThingChanged', key: 'a' }), ['a-1', 'a-3'])
  assert.deepEqual(await list({ status: 'replayed' }), [])
  const [first, second, ...none] = await readDeadLetters(database, {}, null, 2)
  assert.deepEqual(none, [])
  const [third] = await readDeadLetters(database, {}, second!.deadLetterId, 1)
  assert.deepEqual([first!.eventId, second!.eventId, third!.eventId], ['a-1', 'b-2', 'a-3'])
})

test('a dead letter holds what an operator needs: the exact bytes, the headers, the reason, the errors', async () => {
  const headers = { traceparent: '00-trace', 'x-note': 'ä' }
  await consume(refusing, delivered('a', 1, { headers }))
  const bytes = Buffer.from([0xff, 0x00, 0x7b])
  await consume(working, delivered('b', 1, { body: bytes }))
  const [text, binary] = await readDeadLetters(database, {}, null, 2)
  assert.partialDeepStrictEqual(text, {
    consumer: 'tested.things',
    topic: 'product.events',
    key: 'a',
    eventId: 'a-1',
    eventType: 'ThingChanged',
    reason: 'refused',
    status: 'open',
    attempts: 1,
    firstError: 'not-sellable: It is archived',
    lastError: 'not-sellable: It is archived',
    headers,
    body: String(delivered('a', 1).body),
    bodyEncoding: 'utf-8',
    note: null,
    resolvedBy: null
  })
  assert.partialDeepStrictEqual(binary, { eventType: null, body: bytes.toString('base64'), bodyEncoding: 'base64' })
  assert.deepEqual(await readDeadLetter(database, text!.deadLetterId), text)
  await assert.rejects(readDeadLetter(database, '019abf2b-0000-7000-8000-000000000000'), { code: 'not-found' })
})

test('replaying handles the message past the inbox, and says who did it', async () => {
  const id = await refused()
  const [letter, again] = [await replay(id), await consume(working, delivered('a', 1))]
  assert.partialDeepStrictEqual(letter, { status: 'replayed', resolvedBy: 'operator', attempts: 2, note: null })
  assert.deepEqual([again, await effects(), await open()], ['ack', 1, []])
})

test('a replay that fails leaves nothing but its new error, and the dead letter open', async () => {
  const failures: [Behaviour, string][] = [
    [() => Promise.reject(new Problem('insufficient-stock')), 'insufficient-stock: There is not enough stock'],
    [() => Promise.reject(new Error('zero \u0000 byte')), 'Error: zero \ufffd byte'],
    [async tx => tx.send('select nothing'), 'error: column "nothing" does not exist'],
    [
      async tx => {
        tx.send(`set local statement_timeout = '20ms'`)
        await tx.query('select pg_sleep(10)')
      },
      'error: canceling statement due to statement timeout'
    ]
  ]
  const id = await refused()
  for (const [index, [behaviour, lastError]] of failures.entries()) {
    const letter = await replay(
      id,
      consumerOf(async (tx, event) => {
        await leaveEffect(tx, event)
        await behaviour(tx, event)
      })
    )
    const firstError = 'not-sellable: It is archived'
    assert.partialDeepStrictEqual(letter, { status: 'open', attempts: 2 + index, firstError, lastError, resolvedBy: null })
  }
  assert.equal(await effects(), 0)
  await replay(id)
  assert.equal(await effects(), 1)
})

test('what could not be read is not read by replaying it, nor what nothing reacts to any more', async () => {
  await consume(working, delivered('a', 1, { body: 'poison' }))
  const [poison] = await open()
  assert.partialDeepStrictEqual(await replay(poison!), {
    status: 'open',
    lastError: 'invalid-request: the body is not a JSON object in UTF-8'
  })
  const id = await refused('b')
  assert.partialDeepStrictEqual(await replay(id, { ...working, reactions: [] }), { status: 'open', attempts: 2 })
  await assert.rejects(replay(id, { ...working, name: 'tested.renamed' }), { code: 'illegal-transition' })
})

test('a behaviour that is in a deadlock while it is replayed is tried again', async () => {
  const id = await refused()
  let tries = 0
  const letter = await replay(
    id,
    consumerOf(async (tx, event) => {
      if (tries++ === 0) await tx.query(`do $$ begin raise exception 'planted' using errcode = '40P01'; end $$`)
      await leaveEffect(tx, event)
    })
  )
  assert.deepEqual([letter.status, tries, await effects()], ['replayed', 2, 1])
})

test('a replay while the database is away is refused, and no try counts', async () => {
  const id = await refused()
  await using breaking = openTested(`${tested.url}?application_name=replaying`, 1)
  const terminated = consumerOf(async (tx, event) => {
    await leaveEffect(tx, event)
    await admin.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'replaying'`)
  })
  await assert.rejects(replayDeadLetter(breaking, [terminated], id, 'operator'), isAway)
  assert.partialDeepStrictEqual(await readDeadLetter(database, id), { status: 'open', attempts: 1 })
})

test('two who replay at once cause one effect', async () => {
  const id = await refused()
  const slow = consumerOf(async (tx, event) => {
    await tx.query('select pg_sleep(0.05)')
    await leaveEffect(tx, event)
  })
  const outcomes = await Promise.allSettled([replay(id, slow), replay(id, slow), replay(id, slow)])
  const codes = outcomes.map(outcome => (outcome.status === 'rejected' ? outcome.reason.code : outcome.value.status))
  assert.deepEqual(codes.toSorted(), ['illegal-transition', 'illegal-transition', 'replayed'])
  assert.equal(await effects(), 1)
})

test('a replay that fails says nothing about a dead letter that somebody has resolved meanwhile', async () => {
  const id = await refused()
  const discard = () => database.transact(tx => discardDeadLetter(tx, id, 'another', null))
  let discarding: Promise<unknown> | undefined
  await replay(
    id,
    consumerOf(async () => {
      // Waits for the replay's lock, and gets it before the replay can say how it went.
      discarding = discard()
      await eventually(
        () => admin.query(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`),
        waiting => waiting.length === 1
      )
      throw new Error('too late')
    })
  )
  const discarded = await discarding
  assert.deepEqual(await readDeadLetter(database, id), discarded)
})

test('what a replay causes belongs to the trace of the message', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  await consume(refusing, delivered('a', 1, { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } }))
  const [id] = await open()
  await replay(
    id!,
    consumerOf((tx, { thingId }) => change(tx, thingId))
  )
  const [row] = await database.query<{ traceparent: string }>('select traceparent from outbox')
  assert.equal(row!.traceparent.slice(3, 35), traceId)
})

test('discarding gives it up with a note; what is not open is neither replayed nor discarded', async () => {
  const id = await refused()
  const discard = (note: string | null) => database.transact(tx => discardDeadLetter(tx, id, 'operator', note))
  assert.partialDeepStrictEqual(await discard('a test order'), {
    status: 'discarded',
    note: 'a test order',
    resolvedBy: 'operator'
  })
  await assert.rejects(discard(null), { code: 'illegal-transition', message: 'The dead letter is discarded already' })
  await assert.rejects(replay(id), { code: 'illegal-transition' })
  const replayed = await refused('b')
  await replay(replayed)
  await assert.rejects(replay(replayed), { code: 'illegal-transition', message: 'The dead letter is replayed already' })
  const unknown = '019abf2b-0000-7000-8000-000000000000'
  await assert.rejects(replay(unknown), { code: 'not-found' })
  await assert.rejects(
    database.transact(tx => discardDeadLetter(tx, unknown, 'operator', null)),
    { code: 'not-found' }
  )
  assert.equal(await effects(), 1)
})

suite('over HTTP', () => {
  test('an operator lists, reads, replays and discards', async () => {
    await using product = await runService(productService)
    const items = [{ variantId: 'unknown', quantity: 1 }]
    assert.deepEqual(await product.deliver(OrderConfirmed, { orderId: 'o-1', items: 'many' }), ['ack'])
    assert.deepEqual(await product.deliver(OrderCompleted, { orderId: 'o-2', items: [{ ...items[0], quantity: 0 }] }), ['ack'])
    const list = (query = '') => product.request('GET', `/v1/dead-letters${query}`)
    const all = await list()
    assert.equal(all.status, 200)
    const [first, second] = all.body.data
    assert.partialDeepStrictEqual(first, {
      consumer: 'product.order-events',
      eventType: 'OrderConfirmed',
      key: 'o-1',
      reason: 'schema-invalid',
      status: 'open',
      attempts: 1
    })
    const onePage = await list('?limit=1')
    assert.equal(onePage.body.data[0].deadLetterId, first.deadLetterId)
    const nextPage = await list(`?limit=1&cursor=${onePage.body.nextCursor}`)
    assert.deepEqual([nextPage.body.data[0].deadLetterId, nextPage.body.nextCursor], [second.deadLetterId, null])
    assert.deepEqual((await list('?eventType=OrderCompleted')).body.data, [second])
    assert.deepEqual((await list('?status=replayed')).body.data, [])
    assert.equal((await list('?status=unknown')).status, 400)

    const path = `/v1/dead-letters/${first.deadLetterId}`
    assert.deepEqual((await product.request('GET', path)).body, first)
    // Somebody mends the message, as nobody can over HTTP.
    const mended = JSON.stringify({ ...JSON.parse(first.body), items })
    await product.database.query('update dead_letters set body = $2 where dead_letter_id = $1', [
      first.deadLetterId,
      Buffer.from(mended)
    ])
    const replayed = await product.request('POST', `${path}/replay`)
    assert.equal(replayed.status, 200)
    assert.partialDeepStrictEqual(replayed.body, { status: 'replayed', resolvedBy: 'anybody', attempts: 2 })
    const again = await product.request('POST', `${path}/replay`)
    assert.partialDeepStrictEqual(again, { status: 409, body: { code: 'illegal-transition' } })

    const other = `/v1/dead-letters/${second.deadLetterId}`
    const failed = await product.request('POST', `${other}/replay`)
    assert.partialDeepStrictEqual(failed, { status: 200, body: { status: 'open', attempts: 2 } })
    const discarded = await product.request('POST', `${other}/discard`, { note: 'a test' })
    assert.partialDeepStrictEqual(discarded, { status: 200, body: { status: 'discarded', note: 'a test', resolvedBy: 'anybody' } })
    assert.equal((await product.request('POST', `${other}/discard`, {})).status, 409)

    const unknown = '/v1/dead-letters/019abf2b-0000-7000-8000-000000000000'
    for (const [method, path] of [
      ['GET', unknown],
      ['POST', `${unknown}/replay`],
      ['POST', `${unknown}/discard`]
    ] as const)
      assert.equal(
        (await product.request(method, path, method === 'POST' && path.endsWith('discard') ? {} : undefined)).status,
        404
      )
  })
})
