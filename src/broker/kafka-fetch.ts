/** Reads partitions ahead of those who handle them: one request at a time to each broker that leads some of them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Bell } from './bell.ts'
import type { BrokerLog } from './broker.ts'
import { errorName, type KafkaClient, type KafkaNode } from './kafka-client.ts'
import type { KafkaCluster, KafkaTopic } from './kafka-cluster.ts'
import { committedRecords } from './kafka-committed.ts'
import type { KafkaRecord } from './kafka-records.ts'

/** A partition that is being read. */
export type Reading = {
  readonly topic: string
  readonly partition: number
  /** The next offset to read. */
  offset: number
  /** Of which topic of that name the offset is, once it was asked for: one that was deleted and created again begins anew. */
  topicId?: string
  /** false: enough of it waits to be handled. */
  hasRoom(): boolean
  arrived(records: readonly [offset: number, record: KafkaRecord][]): void
  /** Kafka has no such offset; reading goes on with the first that it has. */
  skipTo(offset: number): void
}

type FetchedPartition = Awaited<ReturnType<typeof fetchReply>>['responses'][number]['partitions'][number]

/** A broker answers at once when there is something, and after so long when there is not. */
const WAIT_MS = 500
/** While a partition is not asked for because enough of it waits, so that it is asked for soon after. */
const SHORTEST_WAIT_MS = 5
const FETCH_BYTES = 8 * 1024 * 1024
const PARTITION_BYTES = 1024 * 1024
const READ_COMMITTED = 1
const ANSWER_MS = 10_000
const NO_SESSION = [0, -1] as const
const EARLIEST = -2n
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

/** Reads what `readings` has at each moment, until `ends` aborts. The bell says that it has changed, or that there is room. */
export async function fetchPartitions(options: {
  client: KafkaClient
  cluster: KafkaCluster
  readings: ReadonlySet<Reading>
  bell: Bell
  ends: AbortSignal
  log?: BrokerLog | undefined
}): Promise<void> {
  const { client, cluster, readings, bell, ends, log } = options
  const asked = new Set<string>()
  /** How often in a row a broker had nothing. */
  const idle = new Map<string, number>()
  let failures = 0
  ends.addEventListener('abort', bell.ring, { once: true })

  while (!ends.aborted) {
    try {
      const topics = await cluster.topics(new Set([...readings].map(({ topic }) => topic)))
      for (const [name, [node, led]] of byLeader(topics)) {
        const wanted = led.filter(reading => reading.hasRoom())
        if (wanted.length === 0 || asked.has(name)) continue
        asked.add(name)
        void fetchFrom(node, name, wanted, wanted.length < led.length, topics).finally(() => {
          asked.delete(name)
          bell.ring()
        })
      }
    } catch (error) {
      await failed(error)
      continue
    }
    await bell.rung()
  }

  function byLeader(topics: ReadonlyMap<string, KafkaTopic>): Map<string, [KafkaNode, Reading[]]> {
    const led = new Map<string, [KafkaNode, Reading[]]>()
    let leaderless = false
    for (const reading of readings) {
      const node = topics.get(reading.topic)!.leaders[reading.partition]
      if (!node) {
        leaderless = true
        continue
      }
      const name = `${node.host}:${node.port}`
      const [, others] = led.get(name) ?? [node, []]
      led.set(name, [node, [...others, reading]])
    }
    if (leaderless) {
      cluster.forget()
      setTimeout(bell.ring, LONGEST_PAUSE_MS / 4)
    }
    return led
  }

  async function fetchFrom(
    node: KafkaNode,
    name: string,
    wanted: Reading[],
    some: boolean,
    topics: ReadonlyMap<string, KafkaTopic>
  ) {
    try {
      for (const reading of wanted) {
        const { id } = topics.get(reading.topic)!
        if (reading.topicId !== undefined && reading.topicId !== id) await skip(reading, node)
        reading.topicId = id
      }
      const turns = idle.get(name) ?? 0
      const waitMs = some ? Math.min(WAIT_MS, SHORTEST_WAIT_MS * 2 ** Math.min(turns, 10)) : WAIT_MS
      const offsets = new Map(wanted.map(reading => [reading, reading.offset]))
      const { responses } = await fetchReply(client, node, waitMs, wanted, topics)
      let records = 0
      for (const { topicId, partitions } of responses)
        for (const partition of partitions) {
          const reading = wanted.find(
            ({ topic, partition: index }) => index === partition.partitionIndex && [topic, topics.get(topic)!.id].includes(topicId)
          )
          // It may have been given away meanwhile, or read from another broker.
          if (reading && readings.has(reading) && reading.offset === offsets.get(reading))
            records += await take(reading, partition, node)
        }
      idle.set(name, records > 0 ? 0 : turns + 1)
      failures = 0
    } catch (error) {
      if (!ends.aborted) await failed(error)
    }
  }

  async function take(reading: Reading, fetched: FetchedPartition, node: KafkaNode): Promise<number> {
    const code = errorName(fetched.errorCode)
    if (code === 'OFFSET_OUT_OF_RANGE') {
      await skip(reading, node)
      return 1
    }
    if (fetched.errorCode !== 0) throw new Error(`${code} in ${reading.topic}/${reading.partition}`)
    const { records, next } = committedRecords(fetched.records ?? [], fetched.abortedTransactions ?? [], reading.offset)
    reading.offset = next
    reading.arrived(records)
    return records.length
  }

  async function skip(reading: Reading, node: KafkaNode): Promise<void> {
    const { topic, partition } = reading
    const asked = [{ name: topic, partitions: [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp: EARLIEST }] }]
    const reply = await client.request('ListOffsets', node, ANSWER_MS, -1, READ_COMMITTED, asked)
    const { errorCode, offset } = reply.topics[0]!.partitions[0]!
    if (errorCode !== 0) throw new Error(`${errorName(errorCode)} when asked for the first offset of ${topic}/${partition}`)
    if (readings.has(reading)) reading.skipTo(Number(offset))
  }

  async function failed(error: unknown): Promise<void> {
    cluster.forget()
    failures++
    if (failures > 1) log?.warn({ failures, error: String(error) }, 'reading from Kafka failed and is tried again')
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2)
    await delay(pauseMs, undefined, { signal: ends }).catch(() => {})
  }
}

function fetchReply(
  client: KafkaClient,
  node: KafkaNode,
  waitMs: number,
  wanted: readonly Reading[],
  topics: ReadonlyMap<string, KafkaTopic>
) {
  // Version 12 and older know topics by name.
  const version = client.versionOf('Fetch')
  const idOf = (topic: string) => (version > 0 && version <= 12 ? topic : topics.get(topic)!.id)
  const asked = Array.from(
    Map.groupBy(wanted, ({ topic }) => topic),
    ([topic, readings]) => ({
      topicId: idOf(topic),
      partitions: readings.map(({ partition, offset }) => ({
        partition,
        currentLeaderEpoch: -1,
        fetchOffset: BigInt(offset),
        lastFetchedEpoch: -1,
        partitionMaxBytes: PARTITION_BYTES
      }))
    })
  )
  return client.request('Fetch', node, waitMs + ANSWER_MS, waitMs, 1, FETCH_BYTES, READ_COMMITTED, ...NO_SESSION, asked, [], '')
}
