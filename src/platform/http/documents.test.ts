import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import fc from 'fast-check'
import { openDocuments } from './documents.ts'

/** A table of documents: id → version. `release` lets the read that waits go on, as of the moment when it was asked. */
function table(bytesMax = 1_000_000) {
  const versions = new Map<string, number>()
  const reads: string[][] = []
  const held: (() => void)[] = []
  let holding = false
  const documents = openDocuments(async ids => {
    reads.push([...ids])
    const rows = ids.flatMap(id =>
      versions.has(id) ? [{ id, version: versions.get(id)!, text: `${id} ${versions.get(id)}` }] : []
    )
    if (holding) await new Promise<void>(resolve => held.push(resolve))
    return rows
  }, bytesMax)
  return {
    documents,
    reads,
    change(id: string) {
      versions.set(id, (versions.get(id) ?? 0) + 1)
      documents.forget(id)
    },
    /** As another process does: nobody tells us. */
    changeElsewhere: (id: string) => versions.set(id, (versions.get(id) ?? 0) + 1),
    hold: () => (holding = true),
    async release() {
      while (held.length === 0) await new Promise(setImmediate)
      holding = false
      held.shift()!()
    },
    textOf: async (id: string) => (await documents.get(id))?.body
  }
}

async function untilRead(reads: unknown[], count: number): Promise<void> {
  while (reads.length < count) await new Promise(setImmediate)
}

test('all who wait at one moment share one read, and each gets its own document', async () => {
  const { documents, reads, change } = table()
  for (const id of ['a', 'b']) change(id)
  change('b')
  const found = await Promise.all(['a', 'b', 'none', 'a', 'b'].map(id => documents.get(id)))
  assert.deepEqual(
    found.map(document => document && `${document.etag} ${document.body}`),
    ['"1" a 1', '"2" b 2', undefined, '"1" a 1', '"2" b 2']
  )
  assert.deepEqual(reads, [['a', 'b', 'none']])
})

test('a document just read is at hand at once, without a promise', async () => {
  const { documents, reads, change } = table()
  change('a')
  const first = await documents.get('a')
  assert.equal(documents.get('a'), first)
  assert.equal(reads.length, 1)
})

test('what is not there is not remembered: it is found as soon as it is there', async () => {
  const { textOf, changeElsewhere } = table()
  assert.equal(await textOf('a'), undefined)
  changeElsewhere('a')
  assert.equal(await textOf('a'), 'a 1')
})

test('a change in this process is seen by the next read', async () => {
  const { textOf, change } = table()
  for (const text of ['a 1', 'a 2', 'a 3']) {
    change('a')
    assert.equal(await textOf('a'), text)
  }
})

test('a change in another process is seen within a second', async () => {
  let now = 1_000_000
  const clock = mock.method(performance, 'now', () => now)
  try {
    const { textOf, changeElsewhere, reads } = table()
    changeElsewhere('a')
    assert.equal(await textOf('a'), 'a 1')
    changeElsewhere('a')
    now += 999
    assert.equal(await textOf('a'), 'a 1')
    now += 1
    assert.equal(await textOf('a'), 'a 2')
    assert.equal(reads.length, 2)
  } finally {
    clock.mock.restore()
  }
})

test('the second counts from the moment when the read was asked, however long it took', async () => {
  let now = 1_000_000
  const clock = mock.method(performance, 'now', () => now)
  try {
    const { textOf, changeElsewhere, hold, release, reads } = table()
    changeElsewhere('a')
    hold()
    const first = textOf('a')
    await untilRead(reads, 1)
    changeElsewhere('a')
    now += 1000
    await release()
    assert.equal(await first, 'a 1')
    assert.equal(await textOf('a'), 'a 2')
  } finally {
    clock.mock.restore()
  }
})

test('a document that is changed while it is read is not kept, whoever asks when', async () => {
  for (const askedMeanwhile of [true, false]) {
    const { textOf, change, hold, release, reads } = table()
    change('a')
    change('b')
    hold()
    const before = [textOf('a'), textOf('b')]
    await untilRead(reads, 1)
    change('a')
    const meanwhile = askedMeanwhile ? textOf('a') : undefined
    await release()
    assert.deepEqual(await Promise.all(before), ['a 1', 'b 1'])
    assert.equal(await (meanwhile ?? textOf('a')), 'a 2')
    assert.equal(await textOf('b'), 'b 1')
    assert.deepEqual(reads, [['a', 'b'], ['a']])
  }
})

test('a read that fails fails those who waited for it, and nobody else', async () => {
  let broken = true
  const documents = openDocuments(async ids => {
    if (broken) throw new Error('the database is away')
    return ids.map(id => ({ id, version: 1, text: id }))
  }, 1000)
  const asked = [documents.get('a'), documents.get('a'), documents.get('b')]
  for (const each of asked) await assert.rejects(async () => await each, /the database is away/)
  broken = false
  assert.equal((await documents.get('a'))?.body, 'a')
})

test('what is kept stays within its bound of bytes, and the rest is read again', async () => {
  const text = 'x'.repeat(1000)
  let read = 0
  const documents = openDocuments(async ids => {
    read += ids.length
    return ids.map(id => ({ id, version: 1, text }))
  }, 10_000)
  const ids = Array.from({ length: 100 }, (_, i) => String(i))
  for (const id of ids) await documents.get(id)
  const kept = ids.filter(id => !(documents.get(id) instanceof Promise)).length
  // A thousand characters are counted as two thousand bytes, and something for the rest.
  assert.ok(kept >= 3 && kept <= 5, `${kept} are kept`)
  assert.ok(read >= 100)
})

test('with no bytes to keep anything in, every moment is read anew', async () => {
  const { textOf, changeElsewhere, reads } = table(0)
  for (const text of ['a 1', 'a 2']) {
    changeElsewhere('a')
    assert.equal(await textOf('a'), text)
  }
  assert.equal(reads.length, 2)
})

test('whatever comes when, nobody is given less than what was there when they asked', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('get' as const), id: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ kind: fc.constant('change' as const), id: fc.constantFrom('a', 'b', 'c') }),
    fc.constant({ kind: 'turn' as const, id: '' }),
    fc.constant({ kind: 'read' as const, id: '' }),
    fc.constant({ kind: 'end' as const, id: '' })
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.scheduler(), async (steps, scheduler) => {
      const versions = new Map([...'abc'].map(id => [id, 1]))
      const documents = openDocuments(async ids => {
        await scheduler.schedule(Promise.resolve())
        const rows = ids.map(id => ({ id, version: versions.get(id)!, text: '' }))
        await scheduler.schedule(Promise.resolve())
        return rows
      }, 100_000)
      const answers: Promise<void>[] = []
      for (const { kind, id } of steps) {
        if (kind === 'turn') await new Promise(setImmediate)
        if (kind === 'read' && scheduler.count() > 0) await scheduler.waitOne()
        for (let idle = 0; kind === 'end' && idle < 2; idle++) {
          await new Promise(setImmediate)
          while (scheduler.count() > 0) await scheduler.waitOne()
        }
        if (kind === 'change') {
          versions.set(id, versions.get(id)! + 1)
          documents.forget(id)
        }
        if (kind !== 'get') continue
        const then = versions.get(id)!
        answers.push(
          Promise.resolve(documents.get(id)).then(document => {
            assert.ok(Number(document!.etag.slice(1, -1)) >= then, `${id}: ${document!.etag} for ${then}`)
          })
        )
      }
      await scheduler.waitFor(Promise.all(answers))
    }),
    { numRuns: 300 }
  )
})
