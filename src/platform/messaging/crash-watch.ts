/**
 * Crash poison: a message that kills whoever handles it would be delivered again for ever. Every process that consumes is on record
 * while it lives. For a while after one has died without signing off, each message is written down before it is handled; one that did not
 * come back is then handled with nothing beside it, and after three times not at all. Without a death nothing is written.
 */

import { newId } from '../id.ts'
import type { Log } from '../log.ts'
import type { Database, Session } from '../postgres/database.ts'
import { pause } from '../postgres/exclusive.ts'
import { type Consumer, CrashPoison, type DecodedEvent } from './consumer.ts'
import { openGate } from './gate.ts'

/** So often may a message take its process with it while it is written down. Nobody counts the crash before, the first. */
export const CRASHES_MAX = 3

const LOOK_MS = 2_000
/** What was in flight at a death is delivered again within this time, and is among so many messages. */
const SUSPICION = { ms: 60_000, messages: 1_000 }

/** All that this process handles shares it: whichever consumer's message kills, those beside it must not be counted. */
const gate = openGate()

export interface CrashWatch {
  /** Signs this process on, and off when it is disposed. Resolves when it is known whether one has died. */
  start(): Promise<AsyncDisposable>
  /** Handles a message. Throws `CrashPoison`, without handling it, when it has taken its process with it too often. */
  guard<Result>(consumer: Consumer, event: DecodedEvent, from: 'broker' | 'parked', handle: () => Promise<Result>): Promise<Result>
  readonly suspicious: boolean
}

/** Handles a message under the watch of its consumer, where it has one. */
export function guarded<Result>(
  consumer: Consumer,
  event: DecodedEvent,
  from: 'broker' | 'parked',
  handle: () => Promise<Result>
): Promise<Result> {
  return consumer.crashWatch?.guard(consumer, event, from, handle) ?? handle()
}

/** Of one service in this process: all of its consumers share it. */
export function openCrashWatch(database: Database, log: Log, suspicion = SUSPICION): CrashWatch {
  const processId = newId()
  let lastDeath: string | null = null
  let suspectUntil = 0
  let suspectMessages = 0
  /** Those that came back while the database was away, so that nobody could write it down. */
  const cameBack = new Set<string>()

  const suspicious = () => suspectMessages > 0 || performance.now() < suspectUntil

  async function start(): Promise<AsyncDisposable> {
    const stopped = new AbortController()
    const session = await signOn()
    await look(session)
    await database.query(`delete from consumer_processes where died_at < now() - interval '1 day'`)
    await database.query(`delete from begun_messages where begun_at < now() - interval '1 day'`)
    const ended = watch(session, stopped.signal)
    return {
      async [Symbol.asyncDispose]() {
        stopped.abort()
        await ended
      }
    }
  }

  async function signOn(): Promise<Session> {
    const session = await database.connect('crash watch')
    try {
      await session.query(`select pg_advisory_lock(${processLock('$1')})`, [processId])
      await session.query(
        'insert into consumer_processes (process_id) values ($1) on conflict (process_id) do update set died_at = null',
        [processId]
      )
      return session
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw error
    }
  }

  async function watch(first: Session, stopped: AbortSignal): Promise<void> {
    let ready: Session | undefined = first
    while (!stopped.aborted) {
      try {
        await using session = ready ?? (await signOn())
        ready = undefined
        const ends = AbortSignal.any([stopped, session.lost])
        // Others may be signing on again too, after the database was away.
        await pause(LOOK_MS, ends)
        while (!ends.aborted) {
          await look(session)
          await pause(LOOK_MS, ends)
        }
        if (stopped.aborted) await session.query('delete from consumer_processes where process_id = $1', [processId])
      } catch (error) {
        if (!stopped.aborted) log.warn({ unit: 'crash watch', error: String(error) }, 'signs on again')
        await pause(LOOK_MS, stopped)
      }
    }
  }

  /** Marks whoever died, and begins to suspect when somebody has lately. Who marks it does not matter: everybody sees it. */
  async function look(session: Session): Promise<void> {
    await session.query(
      `update consumer_processes set died_at = now()
       where died_at is null and process_id <> $1 and pg_try_advisory_xact_lock(${processLock('process_id')})`,
      [processId]
    )
    const [death] = await session.query<{ died_at: string | null }>(
      `select max(died_at)::text as died_at from consumer_processes where died_at > now() - make_interval(secs => $1)`,
      [suspicion.ms / 1000]
    )
    if (death!.died_at === null || death!.died_at === lastDeath) return
    lastDeath = death!.died_at
    suspectUntil = performance.now() + suspicion.ms
    suspectMessages = suspicion.messages
    log.warn({ unit: 'crash watch', diedAt: lastDeath }, 'a process that consumed has died: messages are written down for a while')
  }

  async function guard<Result>(
    consumer: Consumer,
    { source, eventId }: DecodedEvent,
    from: 'broker' | 'parked',
    handle: () => Promise<Result>
  ): Promise<Result> {
    if (!suspicious()) return handle()
    suspectMessages--
    const event = [consumer.name, source, eventId]
    let leave = await gate.enter('beside others')
    try {
      const [begun] = await database.query<{ first: boolean; again: boolean }>(BEGIN, [...event, from === 'parked'])
      if (begun!.again && !cameBack.has(event.join('\n'))) {
        leave()
        leave = await gate.enter('alone')
        const [known] = await database.query<{ times: number }>(BEGIN_AGAIN, event)
        if (known && known.times > CRASHES_MAX) throw new CrashPoison(known.times)
      }
      return begun!.first || begun!.again ? await handle().finally(() => forget(event)) : await handle()
    } finally {
      leave()
    }
  }

  async function forget(event: readonly string[]): Promise<void> {
    const name = event.join('\n')
    try {
      await database.query('delete from begun_messages where consumer = $1 and source = $2 and event_id = $3', event)
      cameBack.delete(name)
    } catch {
      cameBack.add(name)
    }
  }

  return {
    start,
    guard,
    get suspicious() {
      return suspicious()
    }
  }
}

const processLock = (processId: string) => `hashtextextended('consumer process ' || ${processId}::text, 0)`

/** Of the broker's messages those that are in the inbox are duplicates, which nobody handles; parked ones are always there. */
const BEGIN = `
  with begun as (
    insert into begun_messages (consumer, source, event_id)
    select $1::text, $2::text, $3::text
    where $4::boolean or not exists (select from inbox where consumer = $1 and source = $2 and event_id = $3)
    on conflict do nothing returning 1
  )
  select exists (select from begun) as first,
    exists (select from begun_messages where consumer = $1 and source = $2 and event_id = $3) as again`

const BEGIN_AGAIN = `
  update begun_messages set times = times + 1, begun_at = now() where consumer = $1 and source = $2 and event_id = $3
  returning times`
