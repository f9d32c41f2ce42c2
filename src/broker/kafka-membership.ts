/**
 * A member of a consumer group: joins, keeps its place, and is told which partitions are its own. Partitions move cooperatively: a
 * member goes on with what it keeps, and what it must give away moves only after `revoked` has resolved.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { BrokerLog } from './broker.ts'
import { assignmentFor, assignmentOf, type Partitions, partitionsIn, subscriptionFor } from './kafka-assignment.ts'
import { errorName, type KafkaClient, type KafkaNode } from './kafka-client.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { type Heart, REBALANCE_MS, SESSION_MS, startHeart } from './kafka-heart.ts'

export interface Membership {
  /** Stores how far the group has come; rejects when it could not. `offsets` are the next ones to be handled. */
  commit(offsets: readonly CommittedOffset[]): Promise<void>
  /** Kafka has not heard of us for so long that others may have our partitions: nothing new should begin. */
  isDoubtful(): boolean
  /** Goes out of the group, so that others take over at once. */
  leave(): Promise<void>
}

export type CommittedOffset = { topic: string; partition: number; offset: number }

/** What becomes of partitions, each given by topic and number. All are awaited before the group goes on. */
export type PartitionsHandler = {
  /** These are ours now, from these offsets on; undefined: nothing was ever committed. */
  assigned(partitions: readonly (Omit<CommittedOffset, 'offset'> & { offset: number | undefined })[]): void
  /** Stops, finishes what is in flight within a bound, commits. */
  revoked(partitions: Partitions): Promise<void>
  /** They are somebody else's already: nothing can be committed any more. */
  lost(partitions: Partitions): Promise<void>
}

const PROTOCOL = 'cooperative-sticky'
const REQUEST_MS = 5_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 3_000
const NOT_A_MEMBER = ['UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID']

/** Joins in the background, and again whenever it must, until it leaves. */
export function startMembership(options: {
  client: KafkaClient
  /** Other connections: a broker that holds back the answer to a join answers nothing else on the same one. */
  joining: KafkaClient
  cluster: KafkaCluster
  group: string
  topics: readonly string[]
  handler: PartitionsHandler
  log?: BrokerLog | undefined
}): Membership {
  const { client, joining, cluster, group, topics, handler, log } = options
  const ends = new AbortController()
  let coordinator: KafkaNode | undefined
  let memberId = ''
  let generation = -1
  let owned: Partitions = new Set()
  let heart: Heart | undefined
  const ended = live()

  async function live(): Promise<void> {
    let failures = 0
    while (!ends.signal.aborted) {
      try {
        if (await join()) {
          failures = 0
          // The next round begins when the group changes; ours is over when Kafka has given us up.
          if ((await heart!.news) === 'lost') await lose()
        }
      } catch (error) {
        coordinator = undefined
        if (++failures > 1)
          log?.warn({ group, failures, error: String(error) }, 'the consumer group could not be joined and is joined again')
        heart?.resume()
        if (heart?.isDoubtful()) await lose()
        const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2)
        await delay(pauseMs, undefined, { signal: ends.signal }).catch(() => {})
      }
    }
    heart?.stop()
  }

  /** One round of the group's rebalance. false: at once another. */
  async function join(): Promise<boolean> {
    coordinator ??= await cluster.coordinator(group)
    heart?.pause()
    const mine = subscriptionFor(topics, owned, generation)
    const protocols = [{ name: PROTOCOL, metadata: mine }]
    const joined = await joining.request(
      ...(['JoinGroup', coordinator, REBALANCE_MS + REQUEST_MS] as const),
      ...([group, SESSION_MS, REBALANCE_MS, memberId, null, 'consumer', protocols, ''] as const)
    )
    if (joined.errorCode !== 0) return refused(joined.errorCode, joined.memberId)
    memberId = joined.memberId
    generation = joined.generationId
    const assignments = joined.leader === memberId ? await assignmentFor(memberId, joined.members, cluster) : []
    const protocol = ['consumer', PROTOCOL] as const
    const synced = await joining.request(
      'SyncGroup',
      coordinator,
      REBALANCE_MS,
      group,
      generation,
      memberId,
      null,
      ...protocol,
      assignments
    )
    if (synced.errorCode !== 0) return refused(synced.errorCode)
    heart?.stop()
    heart = startHeart({
      client,
      cluster,
      group,
      generation,
      memberId,
      coordinator,
      watched: joined.leader === memberId ? topics : []
    })
    return take(assignmentOf(synced.assignment))
  }

  /** Takes what is new, gives away what is no longer ours; then the group needs another round, to hand it to others. */
  async function take(assigned: Partitions): Promise<boolean> {
    const revoked = without(owned, assigned)
    const added = without(assigned, owned)
    if (added.size > 0) {
      const offsets = await committed(added)
      owned = new Set([...owned, ...added])
      handler.assigned(offsets)
    }
    if (revoked.size === 0) return true
    await handler.revoked(revoked)
    owned = without(owned, revoked)
    return false
  }

  async function refused(code: number, newId?: string): Promise<false> {
    const name = errorName(code)
    if (name === 'MEMBER_ID_REQUIRED' && newId) memberId = newId
    else if (name === 'REBALANCE_IN_PROGRESS') return false
    else if (name === 'ILLEGAL_GENERATION') await lose()
    else if (NOT_A_MEMBER.includes(name)) {
      memberId = ''
      await lose()
    } else throw new Error(`Kafka does not let us into group ${group}: ${name}`)
    return false
  }

  async function lose(): Promise<void> {
    heart?.stop()
    if (heart?.forgotten) memberId = ''
    heart = undefined
    generation = -1
    const lost = owned
    owned = new Set()
    if (lost.size > 0) await handler.lost(lost)
  }

  async function committed(partitions: Partitions): Promise<Parameters<PartitionsHandler['assigned']>[0]> {
    const topics = partitionsIn(partitions).map(({ topic, partitions }) => ({ name: topic, partitionIndexes: partitions }))
    const asked = [{ groupId: group, memberId, memberEpoch: -1, topics }]
    const reply = await client.request('OffsetFetch', coordinator!, REQUEST_MS, asked, false)
    // Of older brokers the topics stand where those of a group do.
    const found = reply.groups?.[0] ?? (reply as unknown as (typeof reply.groups)[number])
    if (found.errorCode !== 0) throw new Error(`Kafka does not say how far group ${group} has come: ${errorName(found.errorCode)}`)
    return found.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset, errorCode }) => {
        if (errorCode !== 0)
          throw new Error(`Kafka does not say how far ${name}/${partitionIndex} has come: ${errorName(errorCode)}`)
        return { topic: name, partition: partitionIndex, offset: committedOffset < 0n ? undefined : Number(committedOffset) }
      })
    )
  }

  return {
    isDoubtful: () => heart?.isDoubtful() === true,
    async commit(offsets) {
      if (!coordinator || !heart) throw new Error('not a member of the group at the moment')
      const topics = Array.from(
        Map.groupBy(offsets, ({ topic }) => topic),
        ([name, offsets]) => ({
          name,
          partitions: offsets.map(({ partition, offset }) => ({
            partitionIndex: partition,
            committedOffset: BigInt(offset),
            committedLeaderEpoch: -1,
            committedMetadata: null
          }))
        })
      )
      const reply = await client.request('OffsetCommit', coordinator, REQUEST_MS, group, generation, memberId, null, topics)
      for (const { name, partitions } of reply.topics)
        for (const { partitionIndex, errorCode } of partitions)
          if (errorCode !== 0)
            throw new Error(`Kafka does not store how far ${name}/${partitionIndex} has come: ${errorName(errorCode)}`)
    },
    async leave() {
      ends.abort()
      heart?.stop()
      if (memberId !== '' && coordinator)
        await client.request('LeaveGroup', coordinator, REQUEST_MS, group, [{ memberId, groupInstanceId: null }]).catch(() => {})
      // Whoever waits in a join need not wait any more.
      await joining[Symbol.asyncDispose]()
      await ended
    }
  }
}

function without(some: Partitions, others: Partitions): Partitions {
  return new Set([...some].filter(name => !others.has(name)))
}
