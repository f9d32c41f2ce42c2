import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises'
import { openMessaging, openTested } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import { type Follower, openWakeup } from './wakeup.ts'

const tested = await openMessaging()
const { database } = tested
after(() => tested[Symbol.asyncDispose]())

const ended = new AbortController()
after(() => ended.abort())
/** Far longer than anything here may take. */
const LONG_MS = 60_000

/** Whether it has still not resolved when all that was on its way has arrived. */
async function isWaiting(next: Promise<void>): Promise<boolean> {
  return Promise.race([next.then(() => false), database.query('select 1').then(() => true)])
}

async function following(follower: Follower): Promise<void> {
  await follower.next(LONG_MS, ended.signal)
}

test('whoever follows looks once at once, and then waits for the next wake-up', async () => {
  const wakeup = openWakeup(database, 'local')
  using follower = await wakeup.follow()
  await following(follower)
  const next = follower.next(LONG_MS, ended.signal)
  assert.equal(await isWaiting(next), true)
  wakeup.wake()
  await next
})

test('a wake-up while nobody waits is not lost', async () => {
  const wakeup = openWakeup(database, 'missed')
  using follower = await wakeup.follow()
  await following(follower)
  wakeup.wake()
  wakeup.wake()
  await following(follower)
  assert.equal(await isWaiting(follower.next(LONG_MS, ended.signal)), true)
})

test('waiting ends after the time given, and when the signal aborts', async () => {
  using follower = await openWakeup(database, 'bounded').follow()
  await following(follower)
  await follower.next(10, ended.signal)
  const stopping = new AbortController()
  const next = follower.next(LONG_MS, stopping.signal)
  stopping.abort()
  await next
  await follower.next(LONG_MS, stopping.signal)
})

test('every follower is woken, and none after it stopped following', async () => {
  const wakeup = openWakeup(database, 'several')
  const first = await wakeup.follow()
  using second = await wakeup.follow()
  await Promise.all([following(first), following(second)])
  const [one, two] = [first.next(LONG_MS, ended.signal), second.next(LONG_MS, ended.signal)]
  wakeup.wake()
  await Promise.all([one, two])
  first[Symbol.dispose]()
  const late = first.next(100, ended.signal)
  wakeup.wake()
  assert.equal(await isWaiting(late), true)
  await late
})

test('who found much waits a little before it looks again, and who found little does not', async () => {
  const wakeup = openWakeup(database, 'paced')
  using follower = await wakeup.follow()
  await following(follower)
  wakeup.wake()
  assert.equal(await Promise.race([follower.next(LONG_MS, ended.signal, 0).then(() => 'at once'), immediate('later')]), 'at once')
  wakeup.wake()
  const since = performance.now()
  await follower.next(LONG_MS, ended.signal, 1_000)
  assert.ok(performance.now() - since > 5, `${performance.now() - since}`)
})

test('another process is woken, also by what was committed while it did not wait', async () => {
  await using elsewhere = openTested(tested.url, 1)
  const here = openWakeup(database, 'across')
  await using session = await elsewhere.connect('following')
  using follower = await openWakeup(elsewhere, 'across').follow(session)
  await following(follower)
  const next = follower.next(LONG_MS, ended.signal)
  here.wake()
  await next
  here.wake()
  await eventually(
    () => session.query('select 1').then(() => isWaiting(follower.next(0, ended.signal))),
    waiting => !waiting
  )
})

test('a thousand commits are told to other processes in a few notifications, the last of them included', async () => {
  await using session = await database.connect('counting')
  let heard = 0
  await session.listen('tested.many', () => heard++)
  const wakeup = openWakeup(database, 'many')
  for (let n = 0; n < 1000; n++) {
    wakeup.wake()
    if (n % 20 === 0) await new Promise(setImmediate)
  }
  await eventually(
    async () => heard,
    heard => heard > 0
  )
  const before = heard
  wakeup.wake()
  await eventually(
    async () => heard,
    heard => heard > before
  )
  assert.ok(heard <= 20, `${heard}`)
})

test('a database that is slow gets one notification at a time, and another one for what was committed meanwhile', async () => {
  await using busy = openTested(tested.url, 1)
  await using session = await database.connect('counting')
  let heard = 0
  await session.listen('tested.slow', () => heard++)
  const wakeup = openWakeup(busy, 'slow')
  await busy.transact(async () => {
    for (let n = 0; n < 20; n++) {
      wakeup.wake()
      await delay(5)
    }
  })
  await eventually(
    async () => heard,
    heard => heard === 2
  )
  await busy.query('select 1')
  await session.query('select 1')
  assert.equal(heard, 2)
})

test('nobody is told elsewhere while the one who follows is here, and a follower whose session cannot listen does not count', async () => {
  await using session = await database.connect('counting')
  let heard = 0
  await session.listen('tested.here', () => heard++)
  let later = 0
  await session.listen('tested.later', () => later++)
  const wakeup = openWakeup(database, 'here')
  const lost = await database.connect('lost')
  await lost[Symbol.asyncDispose]()
  await assert.rejects(wakeup.follow(lost))
  wakeup.wake()
  await eventually(
    async () => heard,
    heard => heard === 1
  )
  using _ = await wakeup.follow()
  wakeup.wake()
  openWakeup(database, 'later').wake()
  await eventually(
    async () => later,
    later => later === 1
  )
  assert.equal(heard, 1)
})

test('where many may follow, those elsewhere are told though somebody follows here', async () => {
  await using elsewhere = openTested(tested.url, 1)
  const here = openWakeup(database, 'feed', { followers: 'many' })
  using near = await here.follow()
  await using session = await elsewhere.connect('following')
  using far = await openWakeup(elsewhere, 'feed', { followers: 'many' }).follow(session)
  await Promise.all([following(near), following(far)])
  const next = [near, far].map(follower => follower.next(LONG_MS, ended.signal))
  here.wake()
  await Promise.all(next)
})
