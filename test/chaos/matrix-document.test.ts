import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { readArguments } from '../../scripts/chaos/arguments.ts'
import { openDraw } from '../../scripts/chaos/draw.ts'
import { canMount } from '../support/postgres-small-disk.ts'
import { withMatrix } from './matrix-document.ts'
import { scenarios } from './scenarios.ts'
import { brokerNames } from './servers.ts'

const document = join(import.meta.dirname, '../../docs/explanation/fault-matrix.md')

test('the fault matrix in the documentation is that of the scenarios; npm run chaos -- --document writes it', async () => {
  const text = await readFile(document, 'utf8')
  assert.equal(text, withMatrix(text))
})

test('every row runs on PostgreSQL with every test run, save what needs another machine; the broker is crashed and starved on all', () => {
  const quickly = (broker: string) =>
    new Set(scenarios.filter(({ quick }) => (quick as readonly string[]).includes(broker)).map(({ id }) => id))
  // F18 is about webhooks, which go past the brokers: webhooks.test.ts.
  const rows = Array.from({ length: 20 }, (_, index) => `F${index + 1}`).filter(id => id !== 'F18')
  assert.deepEqual([...quickly('postgres')].sort(), rows.sort())
  for (const broker of brokerNames.filter(name => name !== 'postgres'))
    for (const id of ['F3', 'F6', 'F7', 'F12', 'F15', 'F16'])
      assert.ok(quickly(broker).has(id as `F${number}`), `${id} on ${broker}`)
})

test('what chaos draws follows from its seed, and reaches every row on every broker that it runs on', () => {
  const options = (seed: string) => readArguments(['--seed', seed])
  const drawn = (seed: string, count: number) => {
    const draw = openDraw(options(seed))
    return Array.from({ length: count }, () => draw.next()).map(
      ({ broker, scenario }) => `${broker} ${scenario.title}: ${scenario.faults.map(({ says }) => says).join('; ')}`
    )
  }
  assert.deepEqual(drawn('7', 50), drawn('7', 50))
  assert.notDeepEqual(drawn('7', 50), drawn('8', 50))
  const reached = drawn('7', 3000)
  for (const { title, brokers } of scenarios.filter(({ smallDisk }) => canMount || !smallDisk))
    for (const broker of brokers)
      assert.ok(
        reached.some(each => each.startsWith(`${broker} ${title}`)),
        `${title} on ${broker}`
      )
})

test('chaos runs what it is asked for, and says what is wrong with what it is asked for', () => {
  const draw = openDraw(readArguments(['--only', 'F3,F7', '--brokers', 'kafka', '--seed', '1']))
  for (let n = 0; n < 50; n++) {
    const { broker, scenario } = draw.next()
    assert.ok(broker === 'kafka' && ['F3', 'F7'].includes(scenario.id) && scenario.faults.length > 0)
  }
  assert.throws(() => readArguments(['--only', 'F99']), /There is no F99/)
  assert.throws(() => readArguments(['--brokers', 'pigeons']), /There is no broker pigeons/)
  assert.throws(() => readArguments(['--minutes', 'soon']), /no time to run for/)
  assert.throws(() => readArguments(['--seed', 'seven']), /is no seed/)
  assert.throws(() => readArguments(['--only', 'F9', '--brokers', 'kafka']), /None of F9 runs on kafka/)
})
