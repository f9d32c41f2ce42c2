import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openMessaging, openTested, quiet, startPart } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import { exclusively, pause } from './exclusive.ts'

const tested = await openMessaging()
const { database, admin } = tested
await database.query('create table turns (id bigint generated always as identity, pid integer, backend integer)')
after(() => tested[Symbol.asyncDispose]())

type Turn = { id: number; pid: number; backend: number }
const latest = async () => (await admin.query<Turn>('select * from turns order by id desc limit 1'))[0]

test('one of several processes works at a time; when it is killed or loses its connection, another one does within about two seconds', async () => {
  await using stack = new AsyncDisposableStack()
  const processes = new Map(
    [1, 2, 3].map(() => {
      const part = stack.use(startPart('hold', tested.url))
      return [part.pid, part]
    })
  )
  const holder = async (not?: number) => {
    const turn = await eventually(latest, turn => turn !== undefined && turn.backend !== not)
    return turn!
  }
  const tookOver = async (how: (turn: Turn) => Promise<unknown>) => {
    const before = await holder()
    await eventually(latest, turn => turn!.id > before.id + 20)
    const started = performance.now()
    await how(before)
    await holder(before.backend)
    const ms = performance.now() - started
    assert.ok(ms < 3000, `${ms} ms`)
  }
  await holder()
  await tookOver(({ backend }) => admin.query('select pg_terminate_backend($1)', [backend]))
  await tookOver(({ pid }) => processes.get(pid)!.kill())
  await tookOver(({ backend }) => admin.query('select pg_terminate_backend($1)', [backend]))
  await tookOver(({ pid }) => processes.get(pid)!.kill())
  await stack.disposeAsync()
  // Whoever holds the lock writes through the session that holds it, so turns of two holders never mix.
  const turns = await admin.query<Turn>('select * from turns order by id')
  const holders = turns.map(({ backend }) => backend).filter((backend, index, all) => backend !== all[index - 1])
  assert.equal(new Set(holders).size, holders.length)
  assert.equal(holders.length, 5)
})

test('disposing asks the work to end, waits until it has, and leaves the lock to others', async () => {
  const ended: string[] = []
  const started = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const work = exclusively(
    database,
    'disposed',
    async (session, signal) => {
      started.resolve()
      await new Promise(resolve => signal.addEventListener('abort', resolve))
      await goOn.promise
      await session.query('select 1')
      ended.push('work')
    },
    quiet
  )
  await started.promise
  const disposed = work[Symbol.asyncDispose]().then(() => ended.push('disposed'))
  await database.query('select 1')
  assert.deepEqual(ended, [])
  goOn.resolve()
  await disposed
  assert.deepEqual(ended, ['work', 'disposed'])
  const [lock] = await database.query(`select pg_try_advisory_lock(hashtextextended('tested.disposed', 0)) as free`)
  assert.deepEqual(lock, { free: true })
})

test('disposing does not wait for a turn of its own', async () => {
  await using other = openTested(tested.url, 1)
  const works: string[] = []
  const holding = (name: string) => async (_: unknown, signal: AbortSignal) => {
    works.push(name)
    await pause(60_000, signal)
  }
  await using _first = exclusively(database, 'contended', holding('first'), quiet)
  await eventually(
    async () => works,
    works => works.length > 0
  )
  const second = exclusively(other, 'contended', holding('second'), quiet)
  await second[Symbol.asyncDispose]()
  assert.deepEqual(works, ['first'])
})

test('work that ends is started again at once', async () => {
  let turns = 0
  await using _ = exclusively(database, 'ending', async () => void turns++, quiet)
  await eventually(
    async () => turns,
    turns => turns > 3,
    2000
  )
})

test('work that fails at once is started again after pauses that grow', async () => {
  const starts: number[] = []
  const work = async () => {
    starts.push(performance.now())
    throw new Error('no broker')
  }
  await using _ = exclusively(database, 'failing', work, quiet)
  await eventually(
    async () => starts.length,
    length => length === 5
  )
  const pauses = starts.slice(1).map((start, index) => start - starts[index]!)
  for (const [index, leastMs] of [100, 200, 400, 800].entries()) assert.ok(pauses[index]! >= leastMs, `${pauses}`)
})

test('work is told when its connection breaks', async () => {
  const signals: AbortSignal[] = []
  const work = async (_: unknown, signal: AbortSignal) => {
    signals.push(signal)
    await pause(60_000, signal)
  }
  await using _ = exclusively(database, 'told', work, quiet)
  await eventually(
    async () => signals.length,
    length => length === 1
  )
  await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tested.told'`)
  await eventually(
    async () => signals.length,
    length => length === 2
  )
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, false]
  )
})
