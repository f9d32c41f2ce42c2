import assert from 'node:assert/strict'
import type { Promises } from './conformance.ts'
import { names, numbered, recording, until } from './conformance-kit.ts'

/** What an operator can be told. */
export const waiting: Promises = {
  async 'it tells how many messages wait for a group, and nothing of groups that it does not know'({ open }) {
    await using broker = await open()
    const { topic, group } = names()
    const reader = recording({ topic, group })
    {
      await using _ = await broker.subscribe(reader)
      await broker.publish(numbered(topic, 5, n => `${n}`))
      await until('all have arrived', () => reader.got.length === 5)
    }
    const groups = [
      { group, topics: [topic] },
      { group: names().group, topics: [topic] }
    ]
    const told = async () => [...(await broker.waiting!(groups))]
    await until('what was acknowledged waits no more', async () => (await told())[0]?.[1] === 0)
    await broker.publish(numbered(topic, 7, n => `${n}`))
    await until('what was published waits', async () => (await told())[0]?.[1] === 7)
    assert.deepEqual(await told(), [[group, 7]])
  },

  async 'while the broker is away it tells nothing, and says so in time'({ open, outage }) {
    await using broker = await open()
    await broker.waiting!([])
    {
      await using _ = await outage()
      const began = performance.now()
      await assert.rejects(broker.waiting!([]))
      assert.ok(performance.now() - began < 20_000)
    }
    await until('it tells again', () =>
      broker.waiting!([]).then(
        () => true,
        () => false
      )
    )
  }
}
