import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { type BrokerKind, brokerKinds, neededBy, type OwnKind, ownKinds } from '../scripts/test/broker-kinds.ts'
import { startBrokers } from '../scripts/test/run-brokers.ts'

const folder = await mkdtemp(join(tmpdir(), 'run-brokers-'))
after(() => rm(folder, { recursive: true, force: true }))

/** A test file that imports a file that uses the broker of the run; one that starts its own; one that needs none. */
async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}
await file('uses.ts', `export const url = await testHareUrl()`)
const sharing = await file('sharing.test.ts', `import { url } from './uses.ts'`)
const owning = await file('owning.test.ts', 'await using hare = await startHare()')
const neither = await file('neither.test.ts', `import { test } from 'node:test'`)

const VARIABLE = 'TEST_HARE_URL'

describe('the brokers of a test run', () => {
  let did: string[]
  let there: boolean
  let startFails: boolean
  const hare: BrokerKind = {
    name: 'Hare',
    variable: VARIABLE,
    says: { shared: /\btestHareUrl\b/, own: /\bstartHare\b/ },
    url: port => `hare://127.0.0.1:${port}`,
    canStart: async () => there,
    async start(port) {
      did.push('start')
      if (startFails) throw new Error('no carrots')
      const gone = async () => void did.push('stop')
      return { url: hare.url(port), kill: gone, start: async () => {}, [Symbol.asyncDispose]: gone }
    },
    install: {
      what: 'Breed hares',
      async run() {
        did.push('install')
        there = true
      }
    }
  }
  const failures: string[] = []
  const brokersFor = (files: string[], kind = hare) => startBrokers(files, error => failures.push(error.message), [kind])

  beforeEach(() => {
    did = []
    there = true
    startFails = false
    failures.length = 0
  })
  afterEach(() => {
    delete process.env[VARIABLE]
  })

  test('one is named at once, started, and stopped at the end, when a chosen file or what it imports uses it', async () => {
    {
      await using brokers = await brokersFor([neither, sharing])
      assert.match(process.env[VARIABLE] ?? '', /^hare:\/\/127.0.0.1:\d+$/)
      assert.deepEqual(brokers.missing, [])
    }
    assert.deepEqual(did, ['start', 'stop'])
  })

  test('none is started for files that need none, for files that start their own, or beside one that the user has named', async () => {
    await using _none = await brokersFor([neither])
    await using _own = await brokersFor([owning])
    assert.equal(process.env[VARIABLE], undefined)
    process.env[VARIABLE] = 'hare://elsewhere'
    await using _named = await brokersFor([sharing])
    assert.deepEqual(did, [])
    assert.equal(process.env[VARIABLE], 'hare://elsewhere')
  })

  test('what is not there is installed where nobody can be asked, also for files that start their own', async () => {
    there = false
    await using brokers = await brokersFor([owning])
    assert.deepEqual(did, ['install'])
    assert.deepEqual(brokers.missing, [])
  })

  test('what can neither be found nor installed is missing, in a sentence, and not named', async () => {
    there = false
    await using brokers = await brokersFor([sharing], { ...hare, install: undefined })
    assert.deepEqual(brokers.missing, ['Hare could not be had: its tests were SKIPPED'])
    assert.equal(process.env[VARIABLE], undefined)
    const failing = { what: 'Breed hares', run: () => Promise.reject(new Error('no carrots')) }
    await using again = await brokersFor([sharing], { ...hare, install: failing })
    assert.deepEqual(again.missing, brokers.missing)
  })

  test('what tests only ever start for themselves, such as nginx, is installed for them, and else missing in a sentence', async () => {
    const { name, canStart, install } = hare
    const own = { name, says: { own: hare.says.own }, canStart, install }
    const missingFor = async (files: string[], kind: OwnKind) => {
      await using brokers = await startBrokers(files, error => failures.push(error.message), [kind])
      return brokers.missing
    }
    there = false
    assert.deepEqual([await missingFor([sharing, neither], own), did], [[], []])
    assert.deepEqual(
      [await missingFor([owning], { ...own, install: undefined }), did],
      [['Hare could not be had: its tests were SKIPPED'], []]
    )
    assert.deepEqual([await missingFor([owning], own), did], [[], ['install']])
    const [nginx] = ownKinds
    for (const path of ['test/nginx.test.ts', 'test/journeys/through-nginx.test.ts'])
      assert.ok((await neededBy([path], nginx!)).own, path)
    assert.equal((await neededBy(['test/journeys/readme.test.ts'], nginx!)).own, false)
  })

  test('one that does not come up ends the run', async () => {
    startFails = true
    {
      await using _ = await brokersFor([sharing])
    }
    assert.deepEqual(failures, ['Hare did not come up: no carrots'])
  })

  test('who needs which broker is told by who asks for its URL', async () => {
    const asking = await file('asking.test.ts', 'const url = await testKafkaUrl()')
    const needs = (path: string) =>
      Promise.all(brokerKinds.map(async kind => `${kind.name} ${(await neededBy([path], kind)).shared}`))
    assert.deepEqual(await needs('src/broker/rabbitmq.test.ts'), ['RabbitMQ true', 'Kafka false'])
    assert.deepEqual(await needs(asking), ['RabbitMQ false', 'Kafka true'])
    assert.deepEqual(await needs('src/broker/postgres.test.ts'), ['RabbitMQ false', 'Kafka false'])
  })
})
