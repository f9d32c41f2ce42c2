import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWebhookReceiver } from '../../../test/support/webhook-receiver.ts'
import { openEgress } from './egress.ts'

const sent = { headers: {}, body: '{}', timeoutMs: 20_000 }

test('who hangs holds up no other sender to the same origin', async () => {
  await using receiver = await startWebhookReceiver()
  receiver.answer = ({ path }) => (path === '/hangs' ? () => {} : 204)
  await using egress = openEgress({ rules: { allowHttp: true, allowPrivate: true }, connections: 2 })
  const leaving = new AbortController()
  const hang = () => egress.post(`${receiver.url}/hangs`, { ...sent, sender: 'one', signal: leaving.signal }).catch(() => 'left')
  const hanging = [hang(), hang(), hang()]
  const { status } = await egress.post(`${receiver.url}/well`, { ...sent, sender: 'other' })
  leaving.abort()
  assert.deepEqual([status, ...(await Promise.all(hanging))], [204, 'left', 'left', 'left'])
})
