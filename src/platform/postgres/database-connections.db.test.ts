import assert from 'node:assert/strict'
import { createServer, connect as dial, type Socket } from 'node:net'
import { after, suite, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { openMessaging, openTested } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Transaction } from './database.ts'
import { isAway } from './database-errors.ts'

const tested = await openMessaging()
const { database, admin } = tested
after(() => tested[Symbol.asyncDispose]())

/** Ends the server's side of the connection that asks. */
const terminate = async (tx: Transaction) => {
  const [row] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
  await admin.query('select pg_terminate_backend($1, 5000)', [row!.pid])
}

suite('a connection that breaks', { concurrency: true }, () => {
  test('fails its transaction while that is thinking, and nothing else', async () => {
    const work = database.transact(async tx => {
      await terminate(tx)
      return 'done'
    })
    await assert.rejects(work, isAway)
    assert.deepEqual(await database.query('select 1 as one'), [{ one: 1 }])
  })

  test('never lets a transaction report success that did not commit, whenever it breaks', async () => {
    await using victim = openTested(`${tested.url}?application_name=victim`, 8)
    await database.query('create table survivors (n integer primary key)')
    const backends = `select count(pg_terminate_backend(pid)) from pg_stat_activity
      where datname = current_database() and application_name = 'victim' and random() < 0.3`
    let over = false
    const breaking = (async () => {
      while (!over) await admin.query(backends)
    })()
    const succeeded: number[] = []
    let failed = 0
    const write = async (first: number) => {
      for (let n = first; n < first + 80; n++) {
        const work = victim.transact(async tx => {
          tx.send('insert into survivors values ($1)', [n])
          await tx.query('select 1')
          await tx.query('select 2')
        })
        await work.then(
          () => succeeded.push(n),
          error => {
            assert.ok(isAway(error), String(error))
            failed++
          }
        )
      }
    }
    await Promise.all([0, 1000, 2000, 3000].map(write))
    over = true
    await breaking
    const rows = await admin.query<{ n: number }>('select n from survivors')
    const survivors = new Set(rows.map(({ n }) => n))
    assert.deepEqual(
      succeeded.filter(n => !survivors.has(n)),
      []
    )
    assert.ok(failed > 0 && succeeded.length > 0, `${failed} failed`)
  })

  test('is not handed out again after its transaction could not be rolled back', async () => {
    await using own = openTested(tested.url, 1)
    await assert.rejects(
      own.transact(async tx => {
        await terminate(tx)
        throw new Problem('sku-taken')
      }),
      { code: 'sku-taken' }
    )
    assert.deepEqual(await own.query('select 1 as one'), [{ one: 1 }])
  })

  test('tells its session, whose later statements fail', async () => {
    await using session = await database.connect('broken')
    assert.equal(session.lost.aborted, false)
    await assert.rejects(session.transact(terminate), isAway)
    await eventually(
      async () => session.lost.aborted,
      lost => lost
    )
    await assert.rejects(session.query('select 1'), isAway)
  })

  test('is noticed within seconds when it falls silent rather than closes, and another one serves', async () => {
    await using line = await openLine(tested.url)
    await using silenced = openTested(line.url, 1)
    await using session = await silenced.connect('silenced')
    await silenced.query('select 1')
    line.silent(true)
    const started = performance.now()
    await Promise.all([
      assert.rejects(silenced.query('select 1'), isAway),
      assert.rejects(session.query('select 1'), isAway),
      assert.rejects(silenced.connect('late'), isAway)
    ])
    assert.ok(performance.now() - started < 15_000)
    await eventually(
      async () => session.lost.aborted,
      lost => lost
    )
    line.silent(false)
    assert.deepEqual(await silenced.query('select 1 as one'), [{ one: 1 }])
  })

  test('that is not to be had in time is an outage, and the next is served when there is one again', async () => {
    await using small = openTested(tested.url, 1)
    const release = Promise.withResolvers<void>()
    const holding = small.transact(() => release.promise)
    const started = performance.now()
    await assert.rejects(small.query('select 1'), isAway)
    assert.ok(performance.now() - started < 7000)
    release.resolve()
    await holding
    assert.deepEqual(await small.query('select 1 as one'), [{ one: 1 }])
  })
})

/** A line to the server that can fall silent: what is sent then never arrives, and nobody is told. */
async function openLine(url: string): Promise<AsyncDisposable & { url: string; silent(on: boolean): void }> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  let isSilent = false
  const server = createServer(near => {
    const far = dial(Number(target.port), target.hostname)
    for (const [from, to] of [
      [near, far],
      [far, near]
    ] as const) {
      let wasSilent = isSilent
      from.on('data', data => {
        wasSilent ||= isSilent
        if (!wasSilent) to.write(data)
      })
      from.on('error', () => {}).on('close', () => to.destroy())
      sockets.add(from)
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const here = new URL(url)
  here.port = String((server.address() as { port: number }).port)
  return {
    url: here.href,
    silent: on => {
      isSilent = on
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    }
  }
}
