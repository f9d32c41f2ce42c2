/** Tells Kafka that a member of a consumer group lives, and hears from it when the group changes. */
import { setTimeout as delay } from 'node:timers/promises'
import { errorName, type KafkaClient, type KafkaNode } from './kafka-client.ts'
import type { KafkaCluster } from './kafka-cluster.ts'

/** A member that was not heard of for so long is dead, and others take over. */
export const SESSION_MS = 10_000
/** How long a group waits for a member to come back when it changes; longer than a member may take to finish what it gives away. */
export const REBALANCE_MS = 30_000

export type Heart = {
  /** changed: the group needs us to join again, with what we have. lost: to Kafka we are no member any more. */
  news: Promise<'changed' | 'lost' | 'stopped'>
  /** Whether Kafka may have given us up without our having heard. */
  isDoubtful(): boolean
  /** Whether Kafka has forgotten our very name. */
  readonly forgotten: boolean
  /** While the group gathers, Kafka keeps our place without heartbeats. */
  pause(): void
  resume(): void
  stop(): void
}

const BEAT_MS = 1_000
const ANSWER_MS = 3_000
/** How often whoever leads the group looks for new partitions. */
const LOOK_MS = 15_000

export function startHeart(options: {
  client: KafkaClient
  cluster: KafkaCluster
  group: string
  generation: number
  memberId: string
  coordinator: KafkaNode
  /** Topics to look after, of the group's leader. */
  watched: readonly string[]
}): Heart {
  const { client, cluster, group, generation, memberId, watched } = options
  const ends = new AbortController()
  const { promise: news, resolve: tell } = Promise.withResolvers<'changed' | 'lost' | 'stopped'>()
  let { coordinator } = options
  let heardAt = performance.now()
  let lookedAt = Number.NEGATIVE_INFINITY
  let partitions: number | undefined
  let paused = false
  let forgotten = false
  void beat()

  async function beat(): Promise<void> {
    while (!ends.signal.aborted) {
      await delay(BEAT_MS, undefined, { signal: ends.signal }).catch(() => {})
      if (ends.signal.aborted || paused) continue
      try {
        const { errorCode } = await client.request('Heartbeat', coordinator, ANSWER_MS, group, generation, memberId, null)
        hear(errorName(errorCode))
        if (watched.length > 0 && performance.now() - lookedAt > LOOK_MS) await look()
      } catch {
        await cluster.coordinator(group).then(
          found => {
            coordinator = found
          },
          () => {}
        )
      }
      if (isDoubtful()) tell('lost')
    }
  }

  function hear(code: string): void {
    if (code === 'NONE') heardAt = performance.now()
    else if (code === 'REBALANCE_IN_PROGRESS') {
      heardAt = performance.now()
      tell('changed')
    } else if (['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID'].includes(code)) {
      forgotten = code !== 'ILLEGAL_GENERATION'
      heardAt = Number.NEGATIVE_INFINITY
      ends.abort()
      tell('lost')
    } else throw new Error(code)
  }

  async function look(): Promise<void> {
    lookedAt = performance.now()
    const topics = await cluster.topics(watched)
    const found = [...topics.values()].reduce((sum, { leaders }) => sum + leaders.length, 0)
    if (found !== (partitions ?? found)) tell('changed')
    partitions = found
  }

  function isDoubtful(): boolean {
    return performance.now() - heardAt > SESSION_MS + (paused ? REBALANCE_MS : 0)
  }

  return {
    news,
    isDoubtful,
    get forgotten() {
      return forgotten
    },
    pause() {
      paused = true
    },
    resume() {
      paused = false
    },
    stop() {
      ends.abort()
      tell('stopped')
    }
  }
}
