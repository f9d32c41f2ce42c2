import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import fc from 'fast-check'
import { openListings } from './listings.ts'

/** Something that is listed, in one version after another. Reads of it wait while they are held, and answer as of when they began. */
function listed(bytesMax = 1_000_000) {
  const listings = openListings(bytesMax)
  const held: (() => void)[] = []
  let version = 1
  let reads = 0
  let holding = false
  const ask = async (question = 'all') =>
    (
      await listings.get(question, async () => {
        reads++
        const text = `${question} ${version}`
        if (holding) await new Promise<void>(resolve => held.push(resolve))
        return text
      })
    ).text
  return {
    listings,
    ask,
    reads: () => reads,
    change() {
      version++
      listings.forget()
    },
    /** As another process does: nobody tells us. */
    changeElsewhere: () => version++,
    hold: () => (holding = true),
    release() {
      holding = false
      for (const each of held.splice(0)) each()
    }
  }
}

test('who asks the same shares one read, at the same moment and within the second after it; another question is another read', async () => {
  const { ask, reads } = listed()
  assert.deepEqual(await Promise.all(['a', 'a', 'b', 'a'].map(ask)), ['a 1', 'a 1', 'b 1', 'a 1'])
  assert.deepEqual([await ask('b'), reads()], ['b 1', 2])
})

test('an answer just read is at hand at once, without a promise, and its tag is of its text', async () => {
  const { listings, ask, change } = listed()
  await ask()
  const known = listings.get('all', () => assert.fail('it is known'))
  assert.ok(!(known instanceof Promise))
  assert.equal(known.text, 'all 1')
  assert.match(known.etag, /^"[\w-]+"$/)
  change()
  await ask()
  assert.notEqual((await listings.get('all', () => assert.fail())).etag, known.etag)
})

test('a change in this process is seen by the next who asks', async () => {
  const { ask, change, reads } = listed()
  for (const text of ['all 1', 'all 2', 'all 3']) {
    assert.equal(await ask(), text)
    change()
  }
  assert.equal(reads(), 3)
})

test('a change in another process is seen within a second of when the read was asked, however long it took', async () => {
  let now = 1_000_000
  const clock = mock.method(performance, 'now', () => now)
  try {
    const { ask, changeElsewhere, hold, release } = listed()
    assert.equal(await ask(), 'all 1')
    changeElsewhere()
    now += 999
    assert.equal(await ask(), 'all 1')
    now += 1
    hold()
    const first = ask()
    changeElsewhere()
    now += 999
    const sharing = ask()
    now += 1
    const own = ask()
    release()
    assert.deepEqual(await Promise.all([first, sharing, own]), ['all 2', 'all 2', 'all 3'])
    assert.equal(await ask(), 'all 3')
  } finally {
    clock.mock.restore()
  }
})

test('what is read while something changes is given to who asked before, to nobody who asks later, and not kept', async () => {
  for (const askedMeanwhile of [true, false]) {
    const { ask, change, hold, release } = listed()
    hold()
    const before = [ask(), ask()]
    change()
    const meanwhile = askedMeanwhile ? ask() : undefined
    release()
    assert.deepEqual(await Promise.all(before), ['all 1', 'all 1'])
    assert.equal(await (meanwhile ?? ask()), 'all 2')
    assert.equal(await ask(), 'all 2')
  }
})

test('a read that fails fails those who waited for it, and nobody else', async () => {
  const listings = openListings(1000)
  const broken = [1, 2].map(async () => listings.get('a', () => Promise.reject(new Error('the database is away'))))
  for (const each of broken) await assert.rejects(each, /the database is away/)
  assert.equal((await listings.get('a', async () => 'sound')).text, 'sound')
})

test('what is kept stays within its bound of bytes, names included, and the rest is read again', async () => {
  for (const [question, text] of [
    ['', 'x'.repeat(1000)],
    ['x'.repeat(1000), '']
  ] as const) {
    const listings = openListings(10_000)
    for (let n = 0; n < 100; n++) await listings.get(question + n, async () => text)
    let reads = 0
    for (let n = 99; n >= 0; n--) await listings.get(question + n, async () => `${reads++}`)
    assert.ok(reads >= 94 && reads <= 98, `${100 - reads} were kept`)
  }
})

test('with no bytes to keep anything in, every moment is read anew', async () => {
  const { ask, changeElsewhere } = listed(0)
  for (const text of ['all 1', 'all 2']) {
    assert.deepEqual(await Promise.all([ask(), ask()]), [text, text])
    changeElsewhere()
  }
})

test('whatever comes when, nobody is given less than what was there when they asked', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('ask' as const), question: fc.constantFrom('a', 'b') }),
    fc.record({ kind: fc.constantFrom('change' as const, 'turn' as const, 'read' as const), question: fc.constant('') })
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.scheduler(), async (steps, scheduler) => {
      const listings = openListings(100_000)
      let version = 1
      const read = async () => {
        await scheduler.schedule(Promise.resolve())
        const text = String(version)
        await scheduler.schedule(Promise.resolve())
        return text
      }
      const answers: Promise<void>[] = []
      for (const { kind, question } of steps) {
        if (kind === 'turn') await new Promise(setImmediate)
        if (kind === 'read' && scheduler.count() > 0) await scheduler.waitOne()
        if (kind === 'change') {
          version++
          listings.forget()
        }
        if (kind !== 'ask') continue
        const then = version
        const answer = Promise.resolve(listings.get(question, read))
        answers.push(answer.then(({ text }) => assert.ok(Number(text) >= then, `${text} for ${then}`)))
      }
      await scheduler.waitFor(Promise.all(answers))
    }),
    { numRuns: 300 }
  )
})
