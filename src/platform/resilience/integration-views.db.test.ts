import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openMessaging } from '../../../test/support/messaging.ts'
import { startNeighbour } from '../../../test/support/neighbour.ts'
import { eventually } from '../../../test/support/world.ts'
import { openHttpClient } from '../http/http-client.ts'
import { readIntegrations, startIntegrationViews, stateOfAll } from './integration-views.ts'

const tested = await openMessaging()
after(() => tested[Symbol.asyncDispose]())
const { database } = tested

const of = async (name: string) => (await readIntegrations(database)).find(each => each.name === name)
const until = (name: string, state: string | undefined) =>
  eventually(
    () => of(name),
    integration => integration?.state === state,
    60_000
  )

test('a neighbour that nobody calls is found to be away, and to be back, each by asking, and its breaker with it', async () => {
  await using neighbour = await startNeighbour()
  const url = `${neighbour.url.replace(/\/$/, '')}/v1`
  await using _client = openHttpClient({ url, name: 'quiet-neighbour', service: 'tested', probe: '/health/ready', idleMs: 100 })
  await using _views = startIntegrationViews({ service: 'tested', database, parts: () => ['relay', 'api'] })
  const up = await until('quiet-neighbour', 'up')
  assert.deepEqual([up!.kind, up!.breaker, up!.lag], ['http', 'closed', null])
  assert.deepEqual(up!.processes[0]!.parts, ['api', 'relay'])
  assert.equal(neighbour.asked[0]!.path, '/health/ready')
  neighbour.line.cut()
  const down = await until('quiet-neighbour', 'down')
  assert.match(down!.lastError!, /^unreachable \((ECONNRESET|UND_ERR_SOCKET)\)$/)
  await eventually(
    () => of('quiet-neighbour'),
    integration => integration?.breaker === 'open',
    60_000
  )
  neighbour.line.heal()
  const back = await until('quiet-neighbour', 'up')
  assert.equal(back!.breaker, 'closed')
  assert.ok(back!.lastSuccessAt! > back!.lastErrorAt!)
})

test('an integration of another service is not listed, one of all services is, and one whose address nobody knows is unknown', async () => {
  await using neighbour = await startNeighbour()
  await using _other = openHttpClient({ url: neighbour.url, name: 'of-another', service: 'another', idleMs: 100 })
  await using _shared = openHttpClient({ url: neighbour.url, name: 'of-all', idleMs: 100 })
  await using _nowhere = openHttpClient({ url: () => undefined, name: 'nowhere', service: 'tested', idleMs: 100 })
  await using _views = startIntegrationViews({ service: 'tested', database, parts: () => [] })
  await until('of-all', 'up')
  assert.equal((await of('nowhere'))!.state, 'unknown')
  assert.equal(await of('of-another'), undefined)
})

test('processes that see it differently are each listed; one that was not heard of for ten seconds has no say', async () => {
  const view = { name: 'seen', kind: 'http', breaker: 'closed', lastSuccessAt: null, lastErrorAt: null, lastError: null, lag: null }
  const write = (process: string, state: string, ago: string) =>
    database.query(
      `insert into integration_views (process, parts, views, seen_at) values ($1, '{api}', $2, now() - $3::interval)
       on conflict (process) do update set views = excluded.views, seen_at = excluded.seen_at`,
      [process, JSON.stringify([{ ...view, state }]), ago]
    )
  await write('one:1', 'up', '1 second')
  await write('two:1', 'down', '2 seconds')
  assert.equal((await of('seen'))!.state, 'degraded')
  assert.deepEqual(
    (await of('seen'))!.processes.map(each => [each.process, each.state]),
    [
      ['one:1', 'up'],
      ['two:1', 'down']
    ]
  )
  await write('two:1', 'down', '11 seconds')
  assert.equal((await of('seen'))!.state, 'up')
  await write('one:1', 'up', '11 seconds')
  assert.equal(await of('seen'), undefined)
})

test('who has not tried has no say, and all who have say the same or it is degraded', () => {
  assert.equal(stateOfAll(['unknown', 'unknown']), 'unknown')
  assert.equal(stateOfAll(['unknown', 'down']), 'down')
  assert.equal(stateOfAll(['up', 'up']), 'up')
  assert.equal(stateOfAll(['up', 'down']), 'degraded')
})
