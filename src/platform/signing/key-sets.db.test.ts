import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, beforeEach, suite, test } from 'node:test'
import { newKey, startKeyPublisher } from '../../../test/support/key-publisher.ts'
import { openMessaging, quiet } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import { type KeySet, openKeySet } from './key-sets.ts'

const tested = await openMessaging()
after(() => tested[Symbol.asyncDispose]())
const { database } = tested
beforeEach(() => database.query('truncate trusted_key_sets'))

type Opened = KeySet & { pass(ms: number): void; kind(kid: string): Promise<string> }

/** The clock of a breaker is that of the process, in which hours pass here at once. */
const NEVER = { failures: Number.POSITIVE_INFINITY }

/** With a clock of its own, which goes on when it is told to. */
function opened(url: string | (() => string | undefined), configured = ''): Opened {
  let passed = 0
  const of = { source: '/others', configured, url: typeof url === 'string' ? () => url : url }
  const keySet = openKeySet({ of, database, log: quiet, now: () => passed, guard: NEVER })
  return {
    ...keySet,
    pass(ms) {
      passed += ms
    },
    kind: async kid => (await keySet.find(kid)).kind
  }
}

const away = (response: ServerResponse) => void response.writeHead(503).end()

test('a key that is published later is found after one more fetch, and unknown ones do not make a storm of them', async () => {
  const [first, second] = [newKey(), newKey()]
  await using publisher = await startKeyPublisher(first)
  const keySet = opened(publisher.url)
  assert.deepEqual(await Promise.all(Array.from({ length: 20 }, () => keySet.kind(first.kid))), Array(20).fill('key'))
  for (let n = 0; n < 100; n++) assert.equal(await keySet.kind(`unknown ${n}`), 'absent')
  assert.equal(publisher.asked, 1)

  publisher.keys = [first.jwk, second.jwk]
  const soon = await keySet.find(second.kid)
  assert.deepEqual([soon.kind, 'retryInMs' in soon && soon.retryInMs], ['absent', 30_000])
  keySet.pass(30_000)
  assert.deepEqual(await Promise.all(Array.from({ length: 20 }, () => keySet.kind(second.kid))), Array(20).fill('key'))
  assert.equal(publisher.asked, 2)
})

test('a key that is taken out is refused as soon as the set is fetched anew: within a minute while events come, else before the next', async () => {
  const [first, second] = [newKey(), newKey()]
  await using publisher = await startKeyPublisher(first, second)
  const keySet = opened(publisher.url)
  assert.equal(await keySet.kind(first.kid), 'key')
  publisher.keys = [second.jwk]
  keySet.pass(60_001)
  // Beside the work: nobody waits for it.
  assert.equal(await keySet.kind(first.kid), 'key')
  await eventually(
    () => keySet.kind(first.kid),
    kind => kind === 'absent'
  )
  assert.equal(publisher.asked, 2)

  publisher.keys = [first.jwk]
  keySet.pass(600_001)
  assert.equal(await keySet.kind(second.kid), 'absent')
})

suite('while its publisher is away', () => {
  test('the last good key set holds, however long that takes, and is asked for once a minute at most', async () => {
    const key = newKey()
    await using publisher = await startKeyPublisher(key)
    const keySet = opened(publisher.url)
    assert.equal(await keySet.kind(key.kid), 'key')
    publisher.answer = away
    publisher.asked = 0
    const MINUTES = 300
    for (let minutes = 0; minutes < MINUTES; minutes++) {
      keySet.pass(60_000)
      assert.equal(await keySet.kind(key.kid), 'key')
      assert.equal(await keySet.kind('unknown'), 'unavailable')
    }
    assert.ok(publisher.asked <= MINUTES && publisher.asked > MINUTES / 2, `asked ${publisher.asked} times`)
    for (let n = 0; n < 50; n++) assert.equal(await keySet.kind(`unknown ${n}`), 'unavailable')
    assert.ok(publisher.asked <= MINUTES + 1, 'each message asked for itself')
    publisher.answer = undefined
    keySet.pass(30_000)
    assert.equal(await keySet.kind('unknown'), 'absent')
  })

  test('and nobody waits for one that hangs', async () => {
    const key = newKey()
    await using publisher = await startKeyPublisher(key)
    const keySet = opened(publisher.url)
    assert.equal(await keySet.kind(key.kid), 'key')
    publisher.answer = away
    keySet.pass(600_001)
    assert.equal(await keySet.kind(key.kid), 'key')
    publisher.answer = () => {}
    keySet.pass(600_001)
    publisher.asked = 0
    const started = performance.now()
    for (let n = 0; n < 20; n++) assert.equal(await keySet.kind(key.kid), 'key')
    assert.ok(performance.now() - started < 4000, 'it was waited for until its time was up')
    await eventually(
      async () => publisher.asked,
      asked => asked === 1
    )
  })

  test('it holds over a restart too, and a newer one replaces it once there is one', async () => {
    const [first, second] = [newKey(), newKey()]
    await using publisher = await startKeyPublisher(first)
    assert.equal(await opened(publisher.url).kind(first.kid), 'key')
    publisher.answer = away
    const restarted = opened(publisher.url)
    assert.deepEqual([await restarted.kind(first.kid), await restarted.kind(second.kid)], ['key', 'unavailable'])
    // The address of a neighbour in the same process is known later, and another every time.
    assert.equal(await opened(() => undefined).kind(first.kid), 'key')
    publisher.answer = undefined
    publisher.keys = [second.jwk]
    restarted.pass(30_000)
    assert.deepEqual([await restarted.kind(second.kid), await restarted.kind(first.kid)], ['key', 'absent'])
  })

  test('but not for another address than the one that it was fetched from', async () => {
    const key = newKey()
    await using publisher = await startKeyPublisher(key)
    assert.equal(await opened(publisher.url, publisher.url).kind(key.kid), 'key')
    publisher.answer = away
    assert.equal(await opened(publisher.url, publisher.url).kind(key.kid), 'key')
    assert.equal(await opened(publisher.url, 'http://elsewhere.example/jwks.json').kind(key.kid), 'unavailable')
  })
})

suite('what is no key set is none, and takes nothing away', () => {
  const key = newKey()
  const json = (value: unknown) => (response: ServerResponse) => void response.end(JSON.stringify(value))
  const answers: [string, (response: ServerResponse) => void][] = [
    ['an error', away],
    ['a redirect, even to a key set', response => void response.writeHead(302, { location: publisher.url }).end()],
    ['a page', response => void response.end('<html></html>')],
    ['JSON without keys', json({ keys: 'none' })],
    ['null', json(null)],
    ['more than anybody needs', json({ keys: Array(2000).fill(key.jwk) })],
    [
      'half an answer',
      response => void response.writeHead(200, { 'content-length': 1000 }).write('{"keys":[', () => response.destroy())
    ]
  ]
  let publisher: Awaited<ReturnType<typeof startKeyPublisher>>
  for (const [what, answer] of answers) {
    test(what, async () => {
      await using started = await startKeyPublisher(key)
      publisher = started
      const keySet = opened(started.url)
      let first = true
      started.answer = response => {
        // A redirect that is followed would find a key set.
        if (first) answer(response)
        else json({ keys: [key.jwk] })(response)
        first = false
      }
      assert.equal(await keySet.kind(key.kid), 'unavailable')
      started.answer = undefined
      keySet.pass(30_000)
      assert.equal(await keySet.kind(key.kid), 'key')
      started.answer = answer
      keySet.pass(600_001)
      assert.equal(await keySet.kind(key.kid), 'key')
    })
  }

  test('keys for other purposes, of other kinds, or malformed are passed over', async () => {
    const good = newKey()
    await using started = await startKeyPublisher(good)
    const unusable = ['encrypts', 'is RSA', 'is Ed448', 'is for another algorithm', 'is too short']
    const variations = [{ use: 'enc' }, { kty: 'RSA' }, { crv: 'Ed448' }, { alg: 'ES256' }, { x: 'AAAA' }]
    started.keys = [
      ...variations.map((each, index) => ({ ...good.jwk, kid: unusable[index], ...each })),
      null as never,
      'x' as never,
      good.jwk
    ]
    const keySet = opened(started.url)
    assert.equal(await keySet.kind(good.kid), 'key')
    for (const kid of unusable) assert.equal(await keySet.kind(kid), 'absent', kid)
  })
})
