import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertProblem } from '../../../../test/support/problem.ts'
import { type RunningService, runService } from '../../../../test/support/service.ts'
import { startWebhookReceiver } from '../../../../test/support/webhook-receiver.ts'
import { eventually } from '../../../../test/support/world.ts'
import { productService } from '../service.ts'

let service: RunningService
before(async () => {
  service = await runService(
    productService,
    { WEBHOOK_ALLOW_HTTP: '1', WEBHOOK_ALLOW_PRIVATE: '1', WEBHOOK_RETRY_DELAYS_MS: '50,50' },
    { parts: ['relay', 'webhooks'] }
  )
})
after(() => service[Symbol.asyncDispose]())

test('an event is delivered, signed, to who asked for it', async () => {
  await using receiver = await startWebhookReceiver()
  const made = await service.request('POST', '/v1/webhook-endpoints', { url: receiver.url, eventTypes: ['CategoryCreated'] })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const category = await service.request('POST', '/v1/categories', { name: 'Shoes', slug: 'shoes' })
  assert.equal(category.status, 201)
  const [delivered] = await eventually(
    async () => receiver.received,
    received => received.length > 0
  )
  assert.equal(JSON.parse(delivered!.body).eventType, 'CategoryCreated')
  assertProblem(await service.request('GET', '/v1/webhook-endpoints/x'), 'invalid-request')
})
