/**
 * One member of a consumer group on PostgreSQL. The member whose session holds the group's advisory lock owns the group; the
 * others wait, and one of them takes over when that session ends. Everything an owner writes goes through that session, so a
 * member that lost the lock cannot move the cursor.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { BrokerLog, Subscription } from './broker.ts'
import { followTopics } from './postgres-follow.ts'

/** A connection of its own; its queries run one after another. */
export type Session = AsyncDisposable & {
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
  /** Calls back with the payload of every NOTIFY on this channel. */
  listen(channel: string, heard: (payload: string) => void): Promise<void>
  /** Aborts when the connection is gone, and with it the locks it held. */
  readonly lost: AbortSignal
}

export type Member = AsyncDisposable & {
  /** Something was published to these topics. */
  wake(topics: ReadonlySet<string>): void
}

/** A member that died is replaced within about this time. */
const TAKEOVER_MS = 1_000

/** Registers the group, so that from now on retention keeps what it has not seen, and follows its topics once it is the owner. */
export async function openPostgresSubscription(
  connect: () => Promise<Session>,
  subscription: Subscription,
  log?: BrokerLog
): Promise<Member> {
  const { group } = subscription
  const stopped = new AbortController()
  const wakers = new Set<Member['wake']>()
  const ended = takePart(await registered())

  async function registered(): Promise<Session> {
    const session = await connect()
    try {
      await session.query(REGISTER, [group, subscription.topics])
      return session
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw error
    }
  }

  async function takePart(first: Session): Promise<void> {
    let ready: Session | undefined = first
    let failures = 0
    while (!stopped.signal.aborted) {
      try {
        await using session = ready ?? (await registered())
        ready = undefined
        const ends = AbortSignal.any([stopped.signal, session.lost])
        if (await becomesOwner(session, ends)) {
          failures = 0
          await followTopics(session, ends, wakers, subscription, log)
        }
        if (session.lost.aborted) throw session.lost.reason
      } catch (error) {
        failures++
        log?.warn({ group, failures, error: String(error) }, 'a member of the consumer group lost its session and reconnects')
      }
      await pause(Math.min(5_000, 100 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2), stopped.signal)
    }
  }

  async function becomesOwner(session: Session, ends: AbortSignal): Promise<boolean> {
    while (!ends.aborted) {
      const [row] = await session.query('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS owner', [`broker group ${group}`])
      if (row?.owner) return true
      // Asked for again and again, because waiting inside one statement would hold back vacuum.
      await pause(TAKEOVER_MS * (0.75 + Math.random() / 2), ends)
    }
    return false
  }

  return {
    wake(topics) {
      for (const wake of wakers) wake(topics)
    },
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await ended
    }
  }
}

const REGISTER = `INSERT INTO broker.cursors (consumer_group, topic) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {})
}
