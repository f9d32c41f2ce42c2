import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { replay } from '../../scripts/replay/replay.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { nothingWrong, smallHistory, wrongIn } from './small-history.ts'

for (const ownBroker of ['rabbitmq', 'kafka'] as const) {
  test(`with events shuffled and duplicated, and ${ownBroker} killed in the middle for five seconds, nothing is lost or counted twice`, async t => {
    const folder = await mkdtemp(join(tmpdir(), 'replay-test-'))
    t.after(() => rm(folder, { recursive: true }))
    const file = join(folder, 'history.csv')
    await writeFile(file, smallHistory())
    await using database = await createTestDatabase()
    const report = await replay({
      file,
      databaseUrl: database.url,
      ownBroker,
      brokerOutageSeconds: 5,
      eventFaults: ['shuffle', 'duplicate'],
      opening: {},
      kills: 0,
      seed: 7,
      concurrency: 8
    })
    assert.deepEqual(wrongIn(report), nothingWrong)
    assert.deepEqual([report.orders.completed, report.orders.cancelled, report.returns.booked], [53, 7, 7])
    assert.ok(report.events.delivered >= report.events.committedInAll)
  })
}
