import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { InventoryReservationFailed, InventoryReserved } from '#contracts/events/inventory-events.ts'
import { newId } from '#platform/id.ts'
import { type Reply, type RunningService, runService } from '../../../test/support/service.ts'
import { orderService } from './service.ts'

describe('the order service', () => {
  let service: RunningService
  before(async () => {
    service = await runService(orderService)
  })
  after(() => service[Symbol.asyncDispose]())

  const items = () => [{ productId: newId(), variantId: newId(), quantity: 2 }]
  const place = async (userId = 'u-1') => (await service.request('POST', '/v1/orders', { userId, items: items() })).body
  const get = async (orderId: string) => (await service.request('GET', `/v1/orders/${orderId}`)).body
  const ask = (orderId: string, what: string, headers = {}) =>
    service.request('POST', `/v1/orders/${orderId}/${what}`, undefined, headers)
  const reserved = (orderId: string) =>
    service.deliver(InventoryReserved, { orderId, reservationId: newId(), items: items(), userId: null, expiresAt: null })
  const failed = (orderId: string, reason = 'INSUFFICIENT_STOCK') =>
    service.deliver(InventoryReservationFailed, { orderId, reservationId: newId(), reason, shortages: [] })
  const placeConfirmed = async () => {
    const { orderId } = await place()
    await reserved(orderId)
    return orderId as string
  }
  const eventsOf = async (orderId: string) =>
    (await service.announced())
      .filter(event => event.orderId === orderId)
      .map(({ eventType, sequence }) => `${eventType} ${sequence}`)
  const outcome = ({ status, body }: Reply) => `${status} ${body.code ?? body.status}`

  test('an order is placed pending and announced as the specification shows it', async () => {
    const wanted = items()
    const { status, headers, body } = await service.request('POST', '/v1/orders', { userId: 'u-7', items: wanted })
    assert.deepEqual([status, body.status, body.reason, headers.get('etag')], [201, 'pending', null, '"1"'])
    assert.equal(headers.get('location'), `/v1/orders/${body.orderId}`)
    const event = (await service.announced()).find(event => event.orderId === body.orderId)
    const { eventId, timestamp, ...rest } = event
    assert.ok(eventId && timestamp)
    assert.deepEqual(rest, {
      eventType: 'OrderCreated',
      eventVersion: 1,
      source: '/order-service',
      sequence: 1,
      orderId: body.orderId,
      userId: 'u-7',
      items: wanted
    })
    assert.deepEqual(await get(body.orderId), body)
  })

  test('a retry with the same Idempotency-Key places one order', async () => {
    const order = { userId: 'u-1', items: items() }
    const [first, second] = [
      await service.request('POST', '/v1/orders', order, { 'idempotency-key': 'k-1' }),
      await service.request('POST', '/v1/orders', order, { 'idempotency-key': 'k-1' })
    ]
    assert.equal(second.body.orderId, first.body.orderId)
    assert.equal(second.headers.get('idempotency-replayed'), 'true')
    assert.deepEqual(await eventsOf(first.body.orderId), ['OrderCreated 1'])
  })

  test('held stock confirms a pending order, a refusal rejects it and says why', async () => {
    const { orderId: lucky } = await place()
    await reserved(lucky)
    const confirmed = await get(lucky)
    assert.deepEqual([confirmed.status, confirmed.reason, confirmed.version], ['confirmed', null, 2])
    const { orderId: unlucky } = await place()
    await failed(unlucky)
    const rejected = await get(unlucky)
    assert.deepEqual([rejected.status, rejected.reason, rejected.version], ['rejected', 'INSUFFICIENT_STOCK', 2])
    assert.equal(outcome(await ask(unlucky, 'cancel')), '409 illegal-transition')
  })

  test('an answer that is late, second, or about somebody else’s order changes nothing', async () => {
    const { orderId } = await place()
    await ask(orderId, 'cancel')
    await reserved(orderId)
    await failed(orderId)
    assert.deepEqual([(await get(orderId)).status, (await get(orderId)).version], ['cancelled', 2])
    const confirmed = await placeConfirmed()
    await failed(confirmed)
    await reserved(confirmed)
    assert.deepEqual([(await get(confirmed)).status, (await get(confirmed)).version], ['confirmed', 2])
    assert.deepEqual(await reserved('order 0815 of another shop'.replaceAll(' ', '-')), ['ack'])
  })

  test('a confirmation is announced once, and only for an order whose stock is held', async () => {
    const { orderId } = await place()
    assert.equal(outcome(await ask(orderId, 'confirm')), '409 illegal-transition')
    await reserved(orderId)
    assert.equal(outcome(await ask(orderId, 'confirm')), '200 confirmed')
    assert.equal(outcome(await ask(orderId, 'confirm')), '200 confirmed')
    assert.deepEqual(await eventsOf(orderId), ['OrderCreated 1', 'OrderConfirmed 2'])
  })

  test('a pending or confirmed order can be cancelled, once', async () => {
    for (const orderId of [(await place()).orderId, await placeConfirmed()]) {
      assert.equal(outcome(await ask(orderId, 'cancel')), '200 cancelled')
      assert.equal(outcome(await ask(orderId, 'cancel')), '200 cancelled')
      assert.equal(outcome(await ask(orderId, 'complete')), '409 illegal-transition')
      assert.equal(outcome(await ask(orderId, 'confirm')), '409 illegal-transition')
      assert.deepEqual(await eventsOf(orderId), ['OrderCreated 1', 'OrderCancelled 2'])
    }
  })

  test('a confirmed order can be completed, once, and not cancelled any more', async () => {
    const orderId = await placeConfirmed()
    await ask(orderId, 'confirm')
    assert.equal(outcome(await ask(orderId, 'complete')), '200 completed')
    assert.equal(outcome(await ask(orderId, 'complete')), '200 completed')
    assert.equal(outcome(await ask(orderId, 'cancel')), '409 illegal-transition')
    assert.deepEqual(await eventsOf(orderId), ['OrderCreated 1', 'OrderConfirmed 2', 'OrderCompleted 3'])
    assert.equal(outcome(await ask((await place()).orderId, 'complete')), '409 illegal-transition')
  })

  test('of a cancellation and a completion at the same moment one takes effect', async () => {
    const orderId = await placeConfirmed()
    const replies = await Promise.all([ask(orderId, 'cancel'), ask(orderId, 'complete')])
    assert.deepEqual(replies.map(reply => reply.status).sort(), [200, 409])
    assert.equal((await eventsOf(orderId)).length, 2)
  })

  test('a change against another version, or of an unknown order, is refused', async () => {
    const { orderId } = await place()
    assert.equal(outcome(await ask(orderId, 'cancel', { 'if-match': '"2"' })), '412 precondition-failed')
    assert.equal(outcome(await ask(orderId, 'cancel', { 'if-match': '"1"' })), '200 cancelled')
    assert.equal(outcome(await ask(newId(), 'cancel')), '404 not-found')
    assert.equal((await service.request('GET', `/v1/orders/${newId()}`)).status, 404)
  })

  test('orders are listed oldest first, page by page, by user and status', async () => {
    const placed: string[] = []
    for (let count = 0; count < 5; count++) placed.push((await place('u-list')).orderId)
    await reserved(placed[1]!)
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query: string = cursor && `&cursor=${cursor}`
      const { status, body } = await service.request('GET', `/v1/orders?userId=u-list&limit=2${query}`)
      assert.equal(status, 200)
      seen.push(...body.data.map((order: { orderId: string }) => order.orderId))
      cursor = body.nextCursor
    }
    assert.deepEqual(seen, placed)
    const { body } = await service.request('GET', '/v1/orders?userId=u-list&status=confirmed')
    assert.deepEqual(
      body.data.map((order: { orderId: string }) => order.orderId),
      [placed[1]]
    )
  })
})
