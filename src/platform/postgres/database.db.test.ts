import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { openMessaging, openTested } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Database, Transaction } from './database.ts'
import { isAway, isOutage, sqlState, violated } from './database-errors.ts'

const tested = await openMessaging()
const { database, admin } = tested
await database.query('create table numbers (n integer primary key, value integer not null default 0)')
after(() => tested[Symbol.asyncDispose]())

const insert = 'insert into numbers (n) values ($1)'
const numbers = async () => (await database.query<{ n: number }>('select n from numbers order by n')).map(({ n }) => n)
const empty = () => database.query('delete from numbers')
/** Ends the server's side of the connection that asks. */
const terminate = async (tx: Transaction) => {
  const [row] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
  await admin.query('select pg_terminate_backend($1, 5000)', [row!.pid])
}

suite('a transaction', () => {
  test('commits everything that its work did, what it sent without waiting included, and gives back its result', async () => {
    await empty()
    const result = await database.transact(async tx => {
      tx.send(insert, [1])
      await tx.query(insert, [2])
      tx.send(insert, [3])
      return 'done'
    })
    assert.deepEqual([result, await numbers()], ['done', [1, 2, 3]])
  })

  test('leaves nothing when its work throws', async () => {
    await empty()
    const work = database.transact(async tx => {
      tx.send(insert, [1])
      await tx.query(insert, [2])
      throw new Problem('sku-taken')
    })
    await assert.rejects(work, { code: 'sku-taken' })
    assert.deepEqual(await numbers(), [])
  })

  test('fails with the error of what it sent without waiting, whether or not later statements fail because of it', async () => {
    await empty()
    const atTheEnd = database.transact(async tx => {
      await tx.query(insert, [1])
      tx.send(insert, [1])
    })
    await assert.rejects(atTheEnd, { code: '23505' })
    const before = database.transact(async tx => {
      await tx.query(insert, [1])
      tx.send(insert, [1])
      await tx.query(insert, [2])
    })
    await assert.rejects(before, error => violated(error) === 'numbers_pkey')
    assert.deepEqual(await numbers(), [])
  })

  test('fails with what its work makes of an error, whatever else it sent meanwhile', async () => {
    await empty()
    const work = database.transact(async tx => {
      await tx.query(insert, [1])
      const taken = tx.query(insert, [1])
      tx.send(insert, [2])
      await taken.catch(error => {
        throw new Problem('sku-taken', violated(error))
      })
    })
    await assert.rejects(work, { code: 'sku-taken', message: 'numbers_pkey' })
  })

  test('goes on after a statement that a savepoint takes back', async () => {
    await empty()
    await database.transact(async tx => {
      tx.send(insert, [1])
      tx.send('savepoint attempt')
      const taken = tx.query(insert, [1])
      tx.send(insert, [2])
      await assert.rejects(taken)
      tx.send('rollback to savepoint attempt')
      tx.send(insert, [3])
    })
    assert.deepEqual(await numbers(), [1, 3])
  })

  test('fails when its work went on after an error that nothing took back', async () => {
    await empty()
    const work = database.transact(async tx => {
      await tx.query(insert, [1])
      await tx.query(insert, [1]).catch(() => {})
    })
    await assert.rejects(work, { code: '23505' })
    assert.deepEqual(await numbers(), [])
  })

  test('runs its work again after a deadlock, so that both who were in it commit', async () => {
    await empty()
    await database.query('insert into numbers (n) values (1), (2)')
    let tries = 0
    let holding = 0
    const bothHold = Promise.withResolvers<void>()
    const add = (first: number, second: number) =>
      admin.transact(async tx => {
        tries++
        tx.send(`set local deadlock_timeout = '20ms'`)
        await tx.query('update numbers set value = value + 1 where n = $1', [first])
        if (++holding === 2) bothHold.resolve()
        await bothHold.promise
        await tx.query('update numbers set value = value + 1 where n = $1', [second])
      })
    await Promise.all([add(1, 2), add(2, 1)])
    const rows = await database.query('select n, value from numbers order by n')
    assert.deepEqual(rows, [
      { n: 1, value: 2 },
      { n: 2, value: 2 }
    ])
    assert.ok(tries > 2)
  })

  test('runs its work again after a serialization failure', async () => {
    await empty()
    await database.query('insert into numbers (n) values (1)')
    await database.transact(async tx => {
      tx.send('set transaction isolation level repeatable read')
      const [row] = await tx.query<{ value: number }>('select value from numbers where n = 1')
      if (row!.value === 0) await database.query('update numbers set value = 10 where n = 1')
      await tx.query('update numbers set value = $1 where n = 1', [row!.value + 1])
    })
    assert.deepEqual(await database.query('select value from numbers'), [{ value: 11 }])
  })

  test('is given up after three tries', async () => {
    let tries = 0
    const work = database.transact(async tx => {
      tries++
      await tx.query(`do $$ begin raise exception 'again' using errcode = '40001'; end $$`)
    })
    await assert.rejects(work, { code: '40001' })
    assert.equal(tries, 3)
  })

  test('runs its hooks once it is committed, and never otherwise', async () => {
    await empty()
    await database.query('create table marks (n integer references numbers (n) deferrable initially deferred)')
    const told: string[] = []
    let seen: Promise<unknown> | undefined
    await database.transact(async tx => {
      tx.afterCommit(() => {
        told.push('first')
        seen = admin.query('select n from numbers')
      })
      tx.afterCommit(() => told.push('second'))
      await tx.query(insert, [1])
      assert.deepEqual(told, [])
    })
    assert.deepEqual([told, await seen], [['first', 'second'], [{ n: 1 }]])

    const never = (work: (tx: Transaction) => Promise<unknown>) =>
      assert.rejects(
        database.transact(tx => {
          tx.afterCommit(() => told.push('never'))
          return work(tx)
        })
      )
    await never(() => Promise.reject(new Error('no')))
    await never(async tx => tx.send(insert, [1]))
    // Checked by COMMIT itself.
    await never(tx => tx.query('insert into marks values (2)'))
    await never(terminate)
    assert.equal(told.length, 2)
  })

  test('cannot be used once it has ended: its connection may be in the next one', async () => {
    await empty()
    let kept: Transaction | undefined
    await database.transact(async tx => {
      kept = tx
    })
    await assert.rejects(kept!.query(insert, [1]), /has ended/)
    assert.throws(() => kept!.send(insert, [1]), /has ended/)
    assert.deepEqual(await numbers(), [])
  })
})

suite('an error', () => {
  const outcome = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => assert.fail('nothing failed'),
      error => error
    )
    return { away: isAway(error), outage: isOutage(error) }
  }
  const doing = (...statements: string[]) =>
    outcome(
      database.transact(async tx => {
        for (const statement of statements) await tx.query(statement)
      })
    )
  const raising = (state: string) => doing(`do $$ begin raise exception 'planted' using errcode = '${state}'; end $$`)

  test('means that the database is away: no server, no connection left, shutting down, read-only, out of disk', async () => {
    const away = { away: true, outage: true }
    await using nowhere = openTested('postgres://nobody:nothing@127.0.0.1:1/nothing', 1)
    assert.deepEqual(await outcome(nowhere.query('select 1')), away)
    assert.deepEqual(await outcome(nowhere.connect('nowhere')), away)
    assert.deepEqual(await doing('set transaction read only', 'delete from numbers'), away)
    for (const state of ['53300', '53100', '57P01', '57P03', '58030', '08006']) assert.deepEqual(await raising(state), away, state)
  })

  test('means that the database could not do it in time: slow, locked, deadlocked', async () => {
    const busy = { away: false, outage: true }
    assert.deepEqual(await doing(`set local statement_timeout = '20ms'`, 'select pg_sleep(5)'), busy)
    await database.transact(async tx => {
      await tx.query('lock table numbers')
      assert.deepEqual(await doing(`set local lock_timeout = '20ms'`, 'lock table numbers'), busy)
    })
    for (const state of ['40P01', '40001']) assert.deepEqual(await raising(state), busy)
  })

  test('means neither when the statement or the work is wrong, whatever words the work chose', async () => {
    const wrong = { away: false, outage: false }
    assert.deepEqual(await doing('select nothing'), wrong)
    assert.deepEqual(await doing('insert into numbers values (1, 1), (1, 1)'), wrong)
    assert.deepEqual(await outcome(database.query('select $1::text', [{ big: 1n }])), wrong)
    for (const error of [new Problem('not-found', 'There is no such connection'), new Error('timeout exceeded'), 'connection'])
      assert.deepEqual(await outcome(database.transact(() => Promise.reject(error))), wrong)
  })

  test('about a value that cannot be sent spoils nothing for those who come after', async () => {
    await using own = openTested(tested.url, 1)
    const echo = (value: unknown) => own.query('select $1::text as value', [value])
    await echo('before')
    await assert.rejects(echo({ big: 1n }), TypeError)
    assert.deepEqual(await echo('after'), [{ value: 'after' }])
  })
})

suite('a statement', () => {
  test('is prepared once per connection, under a name that follows from its text', async () => {
    await using one = openTested(tested.url, 1)
    await using other = openTested(tested.url, 1)
    const text = 'select n from numbers where n = $1 or n = $2'
    const prepared = async (on: Database) => {
      for (const n of [1, 2, 3]) await on.transact(async tx => Promise.all([tx.query(text, [n, n]), tx.query(text, [n, 9])]))
      return on.query<{ name: string }>('select name from pg_prepared_statements where statement = $1', [text])
    }
    const [here, there] = [await prepared(one), await prepared(other)]
    assert.equal(here.length, 1)
    assert.deepEqual(here, there)
  })

  test('survives a migration that changes its table under a running process', async () => {
    await database.query('create table grown (n integer)')
    await using own = openTested(tested.url, 1)
    const inTransaction = () => own.transact(tx => tx.query('select * from grown'))
    await own.query('insert into grown values (1)')
    assert.deepEqual(await inTransaction(), [{ n: 1 }])
    await admin.query('alter table grown add column more integer')
    assert.deepEqual(await inTransaction(), [{ n: 1, more: null }])
    await admin.query('alter table grown add column most integer')
    assert.deepEqual(await own.query('select * from grown'), [{ n: 1, more: null, most: null }])
  })

  test('goes by the index from the first row on, though its plan was made when there was none', async () => {
    await database.query('create table orders_to_come (id uuid primary key, order_id text not null unique)')
    await database.query('analyze orders_to_come')
    const plan = await database.transact(async tx => {
      tx.send('set local plan_cache_mode = force_generic_plan')
      tx.send('prepare wanted as select * from orders_to_come where order_id = any($1::text[]) order by id for update')
      return tx.query<{ 'QUERY PLAN': string }>(`explain execute wanted('{}')`)
    })
    const text = plan.map(row => row['QUERY PLAN']).join('\n')
    assert.match(text, /Index/)
    assert.doesNotMatch(text, /Seq Scan/)
  })

  test('that takes too long, or waits too long for a lock, ends; also through a session', async () => {
    await using session = await database.connect('guarded')
    for (const on of [database, session]) {
      const [row] =
        await on.query(`select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
        current_setting('idle_in_transaction_session_timeout') as idle, current_setting('tcp_user_timeout') as silent`)
      assert.deepEqual(row, { statement: '10s', lock: '5s', idle: '20s', silent: '15000' })
    }
  })
})

test('a session hears what is told on its channel, and no other', async () => {
  await using session = await database.connect('listening')
  const heard: string[] = []
  await session.listen('first', () => heard.push('first'))
  await session.listen('second', () => heard.push('second'))
  await database.query(`select pg_notify('second', '')`)
  await eventually(
    async () => heard,
    heard => heard.length > 0
  )
  assert.deepEqual(heard, ['second'])
  assert.equal(sqlState(new Error('08006')), undefined)
})
