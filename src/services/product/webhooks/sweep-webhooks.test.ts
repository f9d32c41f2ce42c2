import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { readConfig } from '#platform/config.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { type RunningService, runService } from '../../../../test/support/service.ts'
import { productService } from '../service.ts'
import { sweepWebhooks } from './sweep-webhooks.ts'
import { readWebhookSecrets } from './webhook-secrets.ts'

const SIGNING_KEY_SECRET = 'the first secret, which is long enough'

let service: RunningService
before(async () => {
  service = await runService(productService, { SIGNING_KEY_SECRET })
})
after(() => service[Symbol.asyncDispose]())

const configWith = (secret: string) => readConfig({ NODE_ENV: 'test', SIGNING_KEY_SECRET: secret, WEBHOOK_RETENTION_DAYS: '4' })
const sweep = (secret = SIGNING_KEY_SECRET) => sweepWebhooks(service.database, configWith(secret))
const count = async (table: string) => (await service.database.query<{ n: number }>(`select count(*) as n from ${table}`))[0]!.n

async function create() {
  const { body } = await service.request('POST', '/v1/webhook-endpoints', { url: 'https://a.example/', eventTypes: ['*'] })
  return {
    id: body.webhookEndpointId as string,
    path: `/v1/webhook-endpoints/${body.webhookEndpointId}`,
    secret: body.secret as string
  }
}

test('what is older than the retention is forgotten, with its tries and its message, and nothing younger is', async () => {
  const endpoint = await create()
  await service.request('POST', `${endpoint.path}/ping`)
  const { body: ping } = await service.request('POST', `${endpoint.path}/ping`)
  const old = ping.webhookDeliveryId
  await service.database.query(
    `insert into webhook_attempts (webhook_delivery_id, attempt, at, duration_ms) values ($1, 1, now(), 5)`,
    [old]
  )
  await service.database.query(`update webhook_messages set created_at = now() - interval '5 days'`)
  assert.equal((await sweep()).done, 0)
  await service.database.query(
    `update webhook_deliveries set requested_at = now() - interval '97 hours' where webhook_delivery_id = $1`,
    [old]
  )
  assert.equal((await sweep()).done, 2)
  assert.deepEqual([await count('webhook_deliveries'), await count('webhook_messages'), await count('webhook_attempts')], [1, 1, 0])
  assert.equal((await service.request('GET', `/v1/webhook-deliveries/${old}`)).status, 404)
})

test('what is left of an endpoint that was deleted is forgotten', async () => {
  const endpoint = await create()
  await service.request('POST', `${endpoint.path}/ping`)
  const before = await count('webhook_deliveries')
  await service.request('DELETE', endpoint.path)
  await sweep()
  assert.equal(await count('webhook_deliveries'), before - 1)
})

test('secrets are sealed anew under the first secret of the setting, so that the other can be taken out of it', async () => {
  const endpoint = await create()
  const read = async (secret: string) => {
    const sealing = openSealing(secret, 'webhook secret')
    const fail = (_: string, error: unknown) => {
      throw error
    }
    const [found] = (await readWebhookSecrets(service.database, sealing, [endpoint.id], fail)).get(endpoint.id)!
    return `whsec_${found!.secret.export().toString('base64')}`
  }
  assert.equal(await read(SIGNING_KEY_SECRET), endpoint.secret)
  const next = 'the second secret, which is long enough'
  await assert.rejects(read(next), /the webhook secret .* cannot be opened/)
  await sweep(`${next},${SIGNING_KEY_SECRET}`)
  assert.equal(await read(next), endpoint.secret)
  assert.equal((await sweep(next)).done, 0)
})
