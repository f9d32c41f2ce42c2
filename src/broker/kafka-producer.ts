/**
 * The idempotent producer of one broker object. Everything that waits goes out together, one batch of a partition at a time: a batch that
 * must be sent again keeps its sequence number, so that Kafka neither stores it twice nor lets a later one overtake it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Message } from './broker.ts'
import { type Batch, batchesOf, halved, type Outgoing } from './kafka-batches.ts'
import { errorName, isTransient, type KafkaClient, type KafkaNode, openSequences } from './kafka-client.ts'
import { type KafkaCluster, TopicRefused } from './kafka-cluster.ts'
import { partitionOf } from './kafka-partition.ts'
import { headersOf } from './kafka-records.ts'

export interface KafkaProducer {
  /** Resolves once every message is stored by all replicas in sync, or refused; the refused ones by their place, with Kafka's reason. */
  send(messages: readonly Message[], more?: Readonly<Record<string, string>>): Promise<ReadonlyMap<number, string>>
}

/** How long Kafka may be away before those who wait are told. */
const DELIVERY_TIMEOUT_MS = 10_000
const ALL_IN_SYNC = -1
/** What goes out together at most. */
const ROUND = { messages: 10_000, bytes: 8 * 1024 * 1024 }
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500
/** Kafka has forgotten who we are, or somebody else's number was given to us: we introduce ourselves anew. */
const UNKNOWN_TO_KAFKA = [
  'UNKNOWN_PRODUCER_ID',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING'
]
/** Halved until the one message is found that is at fault. */
const FAULT_OF_ONE = [
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT'
]

type Waiting = Outgoing & { failed(error: unknown): void }

export function openKafkaProducer(client: KafkaClient, cluster: KafkaCluster): KafkaProducer {
  const waiting: Waiting[] = []
  let busy = false
  let identity: { producerId: bigint; producerEpoch: number } | undefined
  const sequences = openSequences()

  async function work(): Promise<void> {
    if (busy) return
    busy = true
    while (waiting.length > 0) {
      const round = nextRound()
      try {
        await sendAll(round)
      } catch (error) {
        // What was sent may be stored or not: under a new identity nothing of the old one can be mistaken for what comes.
        identity = undefined
        // Whoever waits behind is told too, lest a later message of a key be stored before an earlier one is tried again.
        for (const one of [...round, ...waiting.splice(0)]) one.failed(error)
      }
    }
    busy = false
  }

  function nextRound(): Waiting[] {
    let count = 0
    for (let bytes = 0; count < waiting.length && count < ROUND.messages && bytes < ROUND.bytes; count++)
      bytes += waiting[count]!.message.body.byteLength
    return waiting.splice(0, count)
  }

  async function sendAll(round: readonly Waiting[]): Promise<void> {
    const deadline = Date.now() + DELIVERY_TIMEOUT_MS
    const topics = await topicsOf(round)
    const refused = round.filter(({ message }) => !topics.has(message.topic))
    for (const one of refused) one.refused('its topic is none that Kafka can have')
    const carried = refused.length === 0 ? round : round.filter(({ message }) => topics.has(message.topic))
    const queues = batchesOf(carried, ({ topic, key }) => partitionOf(Buffer.from(key), topics.get(topic)!.leaders.length))
    for (let failures = 0; queues.some(queue => queue.length > 0); ) {
      const failure = await sendHeads(
        queues.filter(queue => queue.length > 0),
        deadline
      )
      if (failure === undefined) {
        failures = 0
        continue
      }
      if (Date.now() > deadline) throw new Error(`Kafka did not accept within ${DELIVERY_TIMEOUT_MS} ms: ${failure}`)
      cluster.forget()
      await delay(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++))
    }
  }

  /** Sends the first batch of each queue, all to one broker in one request. Answers why some must be sent again. */
  async function sendHeads(queues: readonly Batch[][], deadline: number): Promise<string | undefined> {
    try {
      identity ??= await introduce()
      const topics = await cluster.topics(new Set(queues.map(([head]) => head!.topic)))
      const byLeader = new Map<KafkaNode | undefined, Batch[][]>()
      for (const queue of queues) {
        const leader = topics.get(queue[0]!.topic)!.leaders[queue[0]!.partition]
        byLeader.set(leader, [...(byLeader.get(leader) ?? []), queue])
      }
      // All of them, whatever comes of one: nothing is sent again while a broker may still answer.
      const results = await Promise.allSettled(Array.from(byLeader, ([leader, queues]) => produce(leader, queues, deadline)))
      const failed = results.filter(result => result.status === 'rejected').map(({ reason }) => reason)
      const worst = failed.find(error => error instanceof ProduceRefused) ?? failed[0]
      if (worst) throw worst
      return results
        .map(result => (result.status === 'fulfilled' ? result.value : undefined))
        .find(failure => failure !== undefined)
    } catch (error) {
      if (error instanceof TopicRefused || error instanceof ProduceRefused) throw error
      return (error as Error).message
    }
  }

  async function produce(leader: KafkaNode | undefined, queues: readonly Batch[][], deadline: number): Promise<string | undefined> {
    if (!leader) return 'a partition has no leader'
    const now = BigInt(Date.now())
    const records = queues.flatMap(([head]) =>
      head!.outgoing.map(({ message, more }) => ({
        topic: head!.topic,
        partition: head!.partition,
        key: Buffer.from(message.key),
        value: Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength),
        headers: headersOf(message, more),
        timestamp: now
      }))
    )
    const withinMs = Math.max(1_000, deadline - Date.now())
    const options = { ...identity!, sequences }
    const { responses } = await client.request('Produce', leader, withinMs, ALL_IN_SYNC, withinMs, records, options)
    let failure: string | undefined
    for (const { name, partitionResponses } of responses)
      for (const { index, errorCode, errorMessage } of partitionResponses) {
        const queue = queues.find(([head]) => head?.topic === name && head.partition === index)
        if (queue) failure = settle(queue, errorCode, errorMessage) ?? failure
      }
    return failure
  }

  function settle(queue: Batch[], errorCode: number, errorMessage: string | null | undefined): string | undefined {
    const head = queue[0]!
    const code = errorName(errorCode)
    const name = `${head.topic}:${head.partition}`
    if (errorCode === 0 || code === 'DUPLICATE_SEQUENCE_NUMBER') {
      sequences.set(name, (sequences.getWithDefault(name, 0) + head.outgoing.length) & 0x7fffffff)
      queue.shift()
      for (const one of head.outgoing) one.accepted()
      return undefined
    }
    if (FAULT_OF_ONE.includes(code)) {
      queue.shift()
      if (head.outgoing.length > 1) queue.unshift(...halved(head))
      else head.outgoing[0]!.refused(errorMessage ?? code)
      return undefined
    }
    if (UNKNOWN_TO_KAFKA.includes(code)) identity = undefined
    else if (!isTransient(errorCode)) throw new ProduceRefused(`Kafka does not take messages to ${head.topic}: ${code}`)
    return `${code} in ${name}`
  }

  async function introduce(): Promise<NonNullable<typeof identity>> {
    const reply = await cluster.anybody(node => client.request('InitProducerId', node, DELIVERY_TIMEOUT_MS, null, 60_000, -1n, -1))
    if (reply.errorCode !== 0) {
      const reason = `Kafka gives no producer id: ${errorName(reply.errorCode)}`
      throw isTransient(reply.errorCode) ? new Error(reason) : new ProduceRefused(reason)
    }
    sequences.clear()
    return { producerId: reply.producerId, producerEpoch: reply.producerEpoch }
  }

  /** Without those that Kafka can never have. */
  async function topicsOf(round: readonly Waiting[]): Promise<Awaited<ReturnType<KafkaCluster['topics']>>> {
    const names = new Set(round.map(({ message }) => message.topic))
    for (;;) {
      try {
        return await cluster.topics(names)
      } catch (error) {
        if (!(error instanceof TopicRefused && error.forever && names.delete(error.topic))) throw error
      }
    }
  }

  return {
    send(messages, more) {
      const refused = new Map<number, string>()
      const { promise, resolve, reject } = Promise.withResolvers<typeof refused>()
      let left = messages.length
      if (left === 0) resolve(refused)
      const settled = () => {
        if (--left === 0) resolve(refused)
      }
      messages.forEach((message, place) => {
        const refuse = (reason: string) => {
          refused.set(place, reason)
          settled()
        }
        waiting.push({ message, ...(more ? { more } : {}), accepted: settled, refused: refuse, failed: reject })
      })
      void work()
      return promise
    }
  }
}

class ProduceRefused extends Error {}
