/** What a Kafka client knows of the cluster: who leads which partition. Topics that are missing are created. */
import { setTimeout as delay } from 'node:timers/promises'
import { errorName, isTransient, type KafkaClient, type KafkaNode } from './kafka-client.ts'
import { limits } from './limits.ts'

export type KafkaTopic = {
  name: string
  /** Kafka tells a topic from one of the same name that was deleted. */
  id: string
  /** Who leads each partition; nobody, for a moment, after a broker has died. */
  leaders: (KafkaNode | undefined)[]
}

export interface KafkaCluster {
  /** The topics by name, as known or asked now. Missing ones are created. */
  topics(names: Iterable<string>): Promise<ReadonlyMap<string, KafkaTopic>>
  /** Rejects when no broker answers. */
  meet(): Promise<void>
  /** What was known may be wrong: the next question is asked anew. */
  forget(): void
  /** Asks this of any broker that answers. */
  anybody<Reply>(ask: (node: KafkaNode) => Promise<Reply>): Promise<Reply>
  /** The broker that leads this consumer group. */
  coordinator(group: string): Promise<KafkaNode>
}

/** Of topics that we create; a cluster with other needs creates them itself. */
const PARTITIONS = 12
/** The cluster's own default for how many brokers keep a copy. */
const DEFAULT_REPLICATION = -1
/** A message at the limits, with room for Kafka's framing. */
const MESSAGE_BYTES_MAX = limits.bodyBytes + 128 * 1024
const MAX_AGE_MS = 15_000
const REQUEST_MS = 5_000
/** Until a topic that was created has leaders. */
const PATIENCE_MS = 10_000

/** A topic that Kafka will not have. */
export class TopicRefused extends Error {
  readonly topic: string
  /** false: somebody could allow it. */
  readonly forever: boolean
  constructor(topic: string, forever: boolean, reason: string) {
    super(`Kafka refuses topic ${topic}: ${reason}`)
    this.topic = topic
    this.forever = forever
  }
}

export function openKafkaCluster(client: KafkaClient): KafkaCluster {
  let nodes: readonly KafkaNode[] = []
  let known = new Map<string, KafkaTopic>()
  let askedAt = 0
  let first = 0

  async function anybody<Reply>(ask: (node: KafkaNode) => Promise<Reply>): Promise<Reply> {
    const all = [...new Map([...nodes, ...client.bootstrap].map(node => [`${node.host}:${node.port}`, node])).values()]
    let failure: unknown
    for (let tried = 0; tried < all.length; tried++) {
      try {
        return await ask(all[first % all.length]!)
      } catch (error) {
        failure = error
        first++
      }
    }
    throw failure
  }

  async function ask(names: string[]): Promise<string[]> {
    const reply = await anybody(node => client.request('Metadata', node, REQUEST_MS, names, false, false))
    const byId = new Map(reply.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    nodes = [...byId.values()]
    const missing: string[] = []
    for (const { name, topicId, errorCode, partitions } of reply.topics) {
      const code = errorName(errorCode)
      if (code === 'UNKNOWN_TOPIC_OR_PARTITION') missing.push(name!)
      else if (errorCode !== 0 && !isTransient(errorCode)) throw new TopicRefused(name!, code === 'INVALID_TOPIC_EXCEPTION', code)
      const leaders: KafkaTopic['leaders'] = []
      for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = byId.get(leaderId)
      if (leaders.length > 0) known.set(name!, { name: name!, id: topicId, leaders })
    }
    return missing
  }

  async function create(names: string[]): Promise<void> {
    const configs = [{ name: 'max.message.bytes', value: `${MESSAGE_BYTES_MAX}` }]
    const topics = names.map(name => ({
      name,
      numPartitions: PARTITIONS,
      replicationFactor: DEFAULT_REPLICATION,
      assignments: [],
      configs
    }))
    const reply = await anybody(node => client.request('CreateTopics', node, REQUEST_MS, topics, REQUEST_MS, false))
    for (const { name, errorCode, errorMessage } of reply.topics) {
      const code = errorName(errorCode)
      if (errorCode === 0 || code === 'TOPIC_ALREADY_EXISTS' || isTransient(errorCode)) continue
      throw new TopicRefused(
        name,
        code === 'INVALID_TOPIC_EXCEPTION',
        `it does not exist, and creating it ended with ${code} ${errorMessage ?? ''}`
      )
    }
  }

  return {
    anybody,
    async meet() {
      await ask([])
    },
    forget() {
      known = new Map()
    },
    async topics(names) {
      const wanted = [...names]
      if (Date.now() - askedAt > MAX_AGE_MS) known = new Map()
      for (const deadline = Date.now() + PATIENCE_MS; !wanted.every(name => known.has(name)); await delay(50)) {
        const unknown = wanted.filter(name => !known.has(name))
        const missing = await ask(unknown)
        askedAt = Date.now()
        if (wanted.every(name => known.has(name))) break
        if (Date.now() > deadline) throw new Error(`Kafka does not show the topics ${unknown}`)
        if (missing.length > 0) await create(missing)
      }
      return new Map(wanted.map(name => [name, known.get(name)!]))
    },
    async coordinator(group) {
      // The first group ever makes Kafka create where it keeps groups.
      for (const deadline = Date.now() + PATIENCE_MS; ; await delay(50)) {
        const reply = await anybody(node => client.request('FindCoordinator', node, REQUEST_MS, 0, [group]))
        const { host, port, errorCode } = reply.coordinators[0]!
        if (errorCode === 0) return { host, port }
        if (!isTransient(errorCode) || Date.now() > deadline)
          throw new Error(`Kafka has no coordinator for group ${group}: ${errorName(errorCode)}`)
      }
    }
  }
}
