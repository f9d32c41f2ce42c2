/**
 * The end of the event log, for everybody in this process who follows it live: one session reads what is new and keeps the newest in
 * memory. Each follower has a position of its own and takes what comes after it, at its own pace: from memory, or, where it has fallen
 * behind, page by page from the database. So nothing waits in memory for anybody, and a slow follower costs what a fast one does.
 */
import { Problem } from '#contracts/problems.ts'
import type { Log } from '../log.ts'
import type { Database } from '../postgres/database.ts'
import { pause } from '../postgres/exclusive.ts'
import { type FeedEvent, type FeedQuestion, readFeedPage } from './event-feed.ts'
import { openRing } from './event-ring.ts'
import type { Wakeup } from './wakeup.ts'

export type TailEvent = FeedEvent & {
  /** The event as Server-Sent Events tell it, made once for all who follow. */
  frame: string
}

/** What comes next, which may be nothing, and how far that reaches. */
export type Step = { events: readonly TailEvent[]; position: number }

export interface EventTail extends AsyncDisposable {
  /** Throws `too-many-requests` when as many follow as may. */
  join(): TailFollower
}

export interface TailFollower extends Disposable {
  /** What comes after the position that is asked for as the log has it now. Throws `position-gone`, and what the database throws. */
  read(question: FeedQuestion): Promise<Step>
  /**
   * What comes after the position that is asked for; when there is nothing, waits for it, so long at most or until the signal aborts, and
   * gives nothing. Throws what `read` throws, to those who have fallen behind.
   */
  next(question: FeedQuestion, ms: number, signal: AbortSignal): Promise<Step>
}

const KEPT_CHARACTERS = 8 * 1024 * 1024
/** Of one step: what a follower holds while its reader takes its time. */
const STEP_CHARACTERS = 64 * 1024
const BEHIND = { limit: 500, bytes: 256 * 1024 }
const LIVE = { limit: 500, bytes: 4 * 1024 * 1024 }
const POLL_MS = 1000

export function openEventTail(options: { database: Database; eventLog: Wakeup; log: Log; followersMax: number }): EventTail {
  const { database, followersMax } = options
  let reader: Reader | undefined
  let followers = 0
  let ending: Promise<void> = Promise.resolve()
  let turn: Promise<unknown> = Promise.resolve()

  /** One at a time: those who are behind take turns, and leave the connections to requests. */
  async function read(question: FeedQuestion): Promise<Step> {
    const page = turn.then(() => readFeedPage(database, question, BEHIND))
    turn = page.catch(() => {})
    const { events, position } = await page
    return { events: events.map(withFrame), position }
  }

  return {
    join() {
      if (followers >= followersMax) {
        throw new Problem('too-many-requests', `There are ${followersMax} who follow the events already`, { retryAfterSeconds: 10 })
      }
      followers++
      reader ??= startReader(options)
      const mine = reader
      return {
        read,
        async next(question, ms, signal) {
          const { after, types } = question
          for (const until = performance.now() + ms; ; ) {
            if (mine.head > after) {
              const here = mine.ring.after(after, types, STEP_CHARACTERS)
              return here ?? (await read(question))
            }
            const left = until - performance.now()
            if (left <= 0 || signal.aborted) return { events: [], position: after }
            await mine.changed(left, signal)
          }
        },
        [Symbol.dispose]() {
          if (--followers > 0) return
          reader = undefined
          ending = Promise.all([ending, mine[Symbol.asyncDispose]()]).then(() => {})
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await ending
    }
  }
}

function withFrame(event: FeedEvent): TailEvent {
  const data = event.body.replaceAll(/\r\n|\r|\n/g, '\ndata: ')
  return { ...event, frame: `id: ${event.position}\nevent: ${event.type}\ndata: ${data}\n\n` }
}

type Reader = AsyncDisposable & {
  /** Up to where the log has been read; −1 while that is not known. */
  readonly head: number
  readonly ring: ReturnType<typeof openRing<TailEvent>>
  /** Resolves when the head has moved, after `ms`, or when the signal aborts. */
  changed(ms: number, signal: AbortSignal): Promise<void>
}

/** Reads what is new until disposed, through outages of the database. */
function startReader({ database, eventLog, log }: { database: Database; eventLog: Wakeup; log: Log }): Reader {
  const stopped = new AbortController()
  const waiting = new Set<() => void>()
  let ring = openRing<TailEvent>(KEPT_CHARACTERS)
  let head = -1

  function moved(to: number): void {
    head = to
    for (const resume of waiting) resume()
  }

  async function follow(): Promise<void> {
    await using session = await database.connect('event tail')
    const ends = AbortSignal.any([stopped.signal, session.lost])
    using wakeups = await eventLog.follow(session)
    const [row] = await session.query<{ position: number }>('select position from event_log_head')
    // What came while there was no session is not here: whoever has not read it yet asks for it.
    ring = openRing<TailEvent>(KEPT_CHARACTERS)
    moved(row!.position)
    while (!ends.aborted) {
      const { events } = await readFeedPage(session, { after: head, types: null }, LIVE)
      if (events.length > 0) {
        ring.append(events.map(withFrame))
        moved(events.at(-1)!.position)
      } else {
        await wakeups.next(POLL_MS, ends)
      }
    }
  }

  async function loop(): Promise<void> {
    for (let failures = 0; !stopped.signal.aborted; ) {
      try {
        await follow()
        failures = 0
      } catch (error) {
        if (stopped.signal.aborted) return
        failures++
        log.warn({ unit: 'event tail', failures, error: String(error) }, 'following the event log is started again')
      }
      await pause(Math.min(5000, 100 * 2 ** failures) * (0.5 + Math.random() / 2), stopped.signal)
    }
  }

  const ended = loop()
  return {
    get head() {
      return head
    },
    get ring() {
      return ring
    },
    changed: (ms, signal) =>
      new Promise<void>(resolve => {
        const done = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          waiting.delete(done)
          resolve()
        }
        const timer = setTimeout(done, ms)
        waiting.add(done)
        signal.addEventListener('abort', done, { once: true })
      }),
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await ended
    }
  }
}
