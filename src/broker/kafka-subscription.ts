/**
 * A subscription on Kafka: what is fetched is handed out in lanes, partition by partition, and an offset is committed only when
 * everything before it is done with.
 */

import { openBell } from './bell.ts'
import type { BrokerLog, Message, Subscription, Verdict } from './broker.ts'
import { nameOf, type Partitions } from './kafka-assignment.ts'
import type { KafkaClient } from './kafka-client.ts'
import { openKafkaCluster } from './kafka-cluster.ts'
import { fetchPartitions } from './kafka-fetch.ts'
import { type CommittedOffset, startMembership } from './kafka-membership.ts'
import { type Owned, openOwned } from './kafka-owned.ts'
import { openSlots } from './kafka-slots.ts'

/** How long what is in flight may take before a partition is given away all the same; then others get it again. */
const DRAIN_MS = 20_000
/** Offsets are committed together and this much later, not once per message. */
const COMMIT_MS = 100
const COMMIT_ATTEMPTS = 3

export async function openKafkaSubscription(
  connect: () => KafkaClient,
  subscription: Subscription,
  setAside: (message: Message, position: string) => Promise<void>,
  log?: BrokerLog
): Promise<AsyncDisposable> {
  const { group, topics } = subscription
  // Of its own, because a broker holds back the answer to a fetch until there is something, and to a join until all have joined.
  const [asking, fetching, joining] = [connect(), connect(), connect()]
  const cluster = openKafkaCluster(asking)
  const owned = new Map<string, Owned>()
  const readings = new Set<Owned>()
  const bell = openBell()
  const ends = new AbortController()
  const slots = openSlots(subscription.concurrency)
  let timer: NodeJS.Timeout | undefined
  let committing: Promise<void> = Promise.resolve()

  try {
    await cluster.topics(topics)
    await cluster.coordinator(group)
  } catch (error) {
    for (const client of [asking, fetching, joining]) await client[Symbol.asyncDispose]()
    throw error
  }
  const membership = startMembership({ client: asking, joining, cluster, group, topics, handler: { assigned, revoked, lost }, log })
  const fetched = fetchPartitions({
    ...{ client: fetching, cluster: openKafkaCluster(asking), readings, bell, ends: ends.signal },
    log
  })

  function assigned(partitions: readonly { topic: string; partition: number; offset: number | undefined }[]): void {
    for (const { topic, partition, offset } of partitions) {
      // Without an offset from the first: there, Kafka says where the first that it kept is.
      const one = openOwned({ topic, partition, offset: offset ?? 0, subscription: guarded, slots, setAside, moved, log })
      owned.set(nameOf(topic, partition), one)
      if (ends.signal.aborted) void one.stop()
      else readings.add(one)
    }
    bell.ring()
  }

  /** What the group's place allows: nothing new begins when others may have our partitions. */
  const guarded: Subscription = {
    ...subscription,
    async handle(delivery): Promise<Verdict> {
      return membership.isDoubtful() ? 'retry' : subscription.handle(delivery)
    }
  }

  async function revoked(partitions: Partitions): Promise<void> {
    const leaving = await stopped(partitions)
    await commit(leaving)
  }

  async function lost(partitions: Partitions): Promise<void> {
    await stopped(partitions)
  }

  /** Stops partitions and waits, within a bound, for what is in flight. */
  async function stopped(partitions: Partitions): Promise<Owned[]> {
    const leaving = [...partitions].map(name => owned.get(name)).filter(one => one !== undefined)
    for (const one of leaving) readings.delete(one)
    const idle = Promise.all(leaving.map(one => one.stop())).then(() => true)
    const { promise: late, resolve } = Promise.withResolvers<false>()
    const bound = setTimeout(() => resolve(false), DRAIN_MS)
    if (!(await Promise.race([idle, late])))
      log?.warn(
        { group, partitions: [...partitions] },
        'deliveries take longer than partitions can wait, and will come again elsewhere'
      )
    clearTimeout(bound)
    for (const name of partitions) owned.delete(name)
    return leaving
  }

  /** Something is done with. */
  function moved(): void {
    bell.ring()
    timer ??= setTimeout(() => {
      timer = undefined
      void commit([...owned.values()])
    }, COMMIT_MS)
  }

  /** Commits one after another, so that none can undo a later one. Gives up after some attempts: then others get it again. */
  function commit(some: readonly Owned[]): Promise<void> {
    committing = committing.then(async () => {
      for (let attempt = 1; attempt <= COMMIT_ATTEMPTS; attempt++) {
        const dirty = some.filter(one => one.uncommitted() !== undefined)
        if (dirty.length === 0) return
        const offsets = dirty.map((one): CommittedOffset => ({ ...one.place, offset: one.uncommitted()! }))
        try {
          await membership.commit(offsets)
          for (const [index, one] of dirty.entries()) one.committed(offsets[index]!.offset)
          return
        } catch (error) {
          if (attempt === COMMIT_ATTEMPTS)
            log?.warn({ group, error: String(error) }, 'how far the group has come could not be stored')
        }
      }
      // What is still ours is tried again.
      if (some.some(one => owned.get(nameOf(one.topic, one.partition)) === one)) moved()
    })
    return committing
  }

  return {
    async [Symbol.asyncDispose]() {
      ends.abort()
      readings.clear()
      // New partitions may come meanwhile; they are stopped when they do.
      await Promise.all(Array.from(owned.values(), one => one.stop()))
      clearTimeout(timer)
      await commit([...owned.values()])
      await membership.leave()
      clearTimeout(timer)
      await fetching[Symbol.asyncDispose]()
      await fetched
      await asking[Symbol.asyncDispose]()
    }
  }
}
