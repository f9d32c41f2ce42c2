/** Row F18 of the fault matrix: webhooks, whose receivers do what they like while those who deliver are killed. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { openChance } from '../../scripts/chance.ts'
import { cameToRest, readWebhookLedger } from './read-webhook-ledger.ts'
import { webhookRow } from './webhook-faults.ts'
import { brokenPromises } from './webhook-ledger.ts'
import { TLS } from './webhook-receivers.ts'
import { openWebhookWorld, type WebhookWorld } from './webhook-world.ts'

/** Longer than the breaker of an endpoint rests. */
const REST_MS = 90_000

test('F18: whatever receivers do and whoever dies, who is well gets every event, in order', { timeout: 300_000 }, async t => {
  assert.equal(t.name, `${webhookRow.id}: ${webhookRow.title}`)
  const seed = Number(process.env.CHAOS_SEED ?? randomInt(1_000_000))
  t.diagnostic(`CHAOS_SEED=${seed}`)
  const chance = openChance(seed)
  await using world = await openWebhookWorld(openChance(seed + 1))
  await Promise.all([world.startProcess(), world.startProcess()])
  await world.progress()
  for (const fault of webhookRow.faults) {
    const began = performance.now()
    await fault.strike(world, chance)
    t.diagnostic(`${Math.round(performance.now() - began)} ms: ${fault.says}`)
  }
  await world.stopWriting()
  const restMs = await cameToRest(world, REST_MS)
  await Promise.all(world.processes.map(each => each.stop()))
  const ledger = await readWebhookLedger(world)
  const { committed, seen, recorded } = ledger
  t.diagnostic(`${committed.length} events, ${recorded.length} deliveries, ${seen.length} requests; at rest in ${restMs} ms`)
  assert.deepEqual(brokenPromises(ledger), [])
  assert.notEqual(restMs, undefined, 'it never came to rest')
  assert.equal(world.receivers.trespassers(), 0, 'nobody follows a redirect, nor believes any certificate')
  await assertSaid(world)
})

/** What is said of each endpoint that is bad, to whoever owns it. */
const said = {
  error: 'answered 500',
  hugeError: 'answered 500',
  redirect: 'answered 302',
  busy: 'answered 429',
  gone: 'answered 410',
  hang: 'timeout',
  loris: 'timeout',
  broken: 'unreachable',
  [TLS]: 'tls'
}

type EndpointRow = { id: string; disabled_reason: string | null; delivered: number; errors: string[]; attempts: number }

async function assertSaid(world: WebhookWorld): Promise<void> {
  const rows = await world.ask<EndpointRow>(
    `select e.webhook_endpoint_id as id, e.disabled_reason, count(*) as attempts, array_agg(distinct a.error) as errors,
       count(*) filter (where d.status = 'delivered') as delivered
     from webhook_endpoints e join webhook_deliveries d using (webhook_endpoint_id) join webhook_attempts a using (webhook_delivery_id)
     group by e.webhook_endpoint_id`
  )
  const found = new Map(rows.map(row => [world.endpoints.get(row.id), row]))
  for (const [name, error] of Object.entries(said)) {
    const { errors, delivered, disabled_reason } = found.get(name) ?? assert.fail(`nothing is said of ${name}`)
    assert.ok(errors.includes(error), `${name}: ${errors}`)
    assert.deepEqual([delivered, disabled_reason], [0, name === 'gone' ? 'gone' : null], name)
  }
  // Who asks for an hour of patience is asked again only by who has not heard of it: what was under way, and another process.
  const inFlightMax = 5
  assert.ok(found.get('busy')!.attempts <= inFlightMax * (world.unrecordedMax + 1), `${found.get('busy')!.attempts} attempts`)
}
