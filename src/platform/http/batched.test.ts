import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BATCH_MAX, batched } from './batched.ts'

type Item = { id: number; key?: string | undefined; poisoned?: boolean }

const away = new Error('the database is away')

/** A run that notes its batches, and fails when one of them has a poisoned item. */
function recorder(wait: () => Promise<unknown> = async () => {}) {
  const batches: Item[][] = []
  let inFlight = 0
  const submit = batched(
    async (items: readonly Item[]) => {
      batches.push([...items])
      assert.equal(++inFlight, 1, 'one batch at a time')
      await wait()
      inFlight--
      if (items.some(item => item.poisoned)) throw new Error(`poisoned: ${items.filter(item => item.poisoned).map(({ id }) => id)}`)
      return items.map(item => `result of ${item.id}`)
    },
    { keyOf: item => item.key, isShared: error => error === away }
  )
  return { batches, submit, ids: () => batches.map(batch => batch.map(({ id }) => id)) }
}

test('what is asked at one moment is one batch, in the order asked, and each gets its own result', async () => {
  const { submit, ids } = recorder()
  const results = await Promise.all([1, 2, 3].map(id => submit({ id })))
  assert.deepEqual(results, ['result of 1', 'result of 2', 'result of 3'])
  assert.deepEqual(ids(), [[1, 2, 3]])
})

test('what is asked during a batch is the next one', async () => {
  const held = Promise.withResolvers<void>()
  const { submit, batches, ids } = recorder(() => held.promise)
  const first = submit({ id: 1 })
  while (batches.length === 0) await new Promise(setImmediate)
  const rest = [2, 3, 4].map(id => submit({ id }))
  assert.deepEqual(ids(), [[1]])
  held.resolve()
  assert.deepEqual(await Promise.all([first, ...rest]), ['result of 1', 'result of 2', 'result of 3', 'result of 4'])
  assert.deepEqual(ids(), [[1], [2, 3, 4]])
  assert.equal(await submit({ id: 5 }), 'result of 5')
})

test(`a batch has at most ${BATCH_MAX} items`, async () => {
  const { submit, batches } = recorder()
  await Promise.all(Array.from({ length: 2 * BATCH_MAX + 1 }, (_, id) => submit({ id })))
  assert.deepEqual(
    batches.map(batch => batch.length),
    [BATCH_MAX, BATCH_MAX, 1]
  )
})

test('one that fails never fails its neighbours: they are run again, each alone, in order', async () => {
  const { submit, ids } = recorder()
  const results = await Promise.allSettled([1, 2, 3].map(id => submit({ id, poisoned: id === 2 })))
  assert.deepEqual(
    results.map(result => (result.status === 'fulfilled' ? result.value : result.reason.message)),
    ['result of 1', 'poisoned: 2', 'result of 3']
  )
  assert.deepEqual(ids(), [[1, 2, 3], [1], [2], [3]])
})

test('one that fails alone is not run twice', async () => {
  const { submit, ids } = recorder()
  await assert.rejects(submit({ id: 1, poisoned: true }), /poisoned: 1/)
  assert.deepEqual(ids(), [[1]])
})

test('items with one key never share a batch, and keep their order; those without a key do not care', async () => {
  const { submit, ids } = recorder()
  const keys = ['a', 'a', 'b', undefined, 'a', undefined, 'b']
  await Promise.all(keys.map((key, id) => submit({ id, key })))
  assert.deepEqual(ids(), [[0, 2, 3, 5], [1, 6], [4]])
})

test('whatever comes when, everything is answered once, and rightly', async () => {
  const arrival = fc.record({
    key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
    poisoned: fc.boolean(),
    turns: fc.nat(3)
  })
  await fc.assert(
    fc.asyncProperty(fc.array(arrival, { maxLength: 40 }), fc.scheduler(), async (arrivals, scheduler) => {
      const { submit, batches } = recorder(() => scheduler.schedule(Promise.resolve()))
      const answers: Promise<unknown>[] = []
      for (const [id, { turns, ...item }] of arrivals.entries()) {
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
        answers.push(submit({ id, ...item }).catch(error => error.message))
      }
      const settled = Promise.all(answers)
      await scheduler.waitFor(settled)
      assert.deepEqual(
        await settled,
        arrivals.map(({ poisoned }, id) => (poisoned ? `poisoned: ${id}` : `result of ${id}`))
      )
      for (const batch of batches) {
        const keys = batch.flatMap(({ key }) => key ?? [])
        assert.equal(new Set(keys).size, keys.length)
      }
      const orderOf = (key: string) => [
        ...new Set(
          batches
            .flat()
            .filter(item => item.key === key)
            .map(({ id }) => id)
        )
      ]
      for (const key of ['a', 'b', 'c'])
        assert.deepEqual(
          orderOf(key),
          orderOf(key).toSorted((a, b) => a - b)
        )
    })
  )
})

test("an error that is everybody's is told to everybody at once, and nobody is tried again", async () => {
  const { submit, batches } = recorder(() => Promise.reject(away))
  const results = await Promise.allSettled([1, 2, 3].map(id => submit({ id })))
  assert.ok(results.every(result => result.status === 'rejected' && result.reason === away))
  assert.equal(batches.length, 1)
})
