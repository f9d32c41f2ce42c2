/** Who gets which partitions in a consumer group: sticky, and cooperative, so that a partition that stays is not interrupted. */
import {
  cooperativeStickyAssigner,
  decodeConsumerProtocolAssignment,
  decodeConsumerProtocolSubscription,
  encodeConsumerProtocolAssignment,
  encodeConsumerProtocolSubscription
} from './kafka-client.ts'
import type { KafkaCluster } from './kafka-cluster.ts'

/** Partitions by `nameOf`. */
export type Partitions = ReadonlySet<string>

const SUBSCRIPTION_VERSION = 3
const ASSIGNMENT_VERSION = 1

export function nameOf(topic: string, partition: number): string {
  return `${topic}:${partition}`
}

/** Grouped by topic. */
export function partitionsIn(partitions: Partitions): { topic: string; partitions: number[] }[] {
  const numbers = new Map<string, number[]>()
  for (const name of partitions) {
    const colon = name.lastIndexOf(':')
    const topic = name.slice(0, colon)
    numbers.set(topic, [...(numbers.get(topic) ?? []), Number(name.slice(colon + 1))])
  }
  return Array.from(numbers, ([topic, partitions]) => ({ topic, partitions }))
}

/** What a member tells the group: what it wants and what it has. */
export function subscriptionFor(topics: readonly string[], owned: Partitions, generation: number): Buffer {
  const ownedPartitions = partitionsIn(owned)
  const generationId = owned.size > 0 ? generation : -1
  return encodeConsumerProtocolSubscription({ version: SUBSCRIPTION_VERSION, topics: [...topics], ownedPartitions, generationId })
}

/** What the member that leads the group gives to each. */
export async function assignmentFor(
  leader: string,
  members: readonly { memberId: string; metadata: Buffer | null }[],
  cluster: KafkaCluster
): Promise<{ memberId: string; assignment: Buffer }[]> {
  const subscriptions = new Map(
    members.map(({ memberId, metadata }) => [memberId, { memberId, ...decodeConsumerProtocolSubscription(metadata!) }])
  )
  const names = new Set([...subscriptions.values()].flatMap(({ topics }) => topics))
  const known = await cluster.topics(names)
  const topics = new Map(Array.from(known, ([name, { leaders }]) => [name, { partitionsCount: leaders.length }]))
  type Metadata = Parameters<typeof cooperativeStickyAssigner>[3]
  // Of all that it could know the assigner reads only how many partitions there are.
  const assigned = cooperativeStickyAssigner(leader, subscriptions, names, { topics } as unknown as Metadata)
  return assigned.map(({ memberId, assignments }) => ({
    memberId,
    assignment: encodeConsumerProtocolAssignment({ version: ASSIGNMENT_VERSION, assignedPartitions: [...assignments.values()] })
  }))
}

/** What a member was given. */
export function assignmentOf(assignment: Buffer): Partitions {
  const { assignedPartitions } = decodeConsumerProtocolAssignment(assignment)
  return new Set(assignedPartitions.flatMap(({ topic, partitions }) => partitions.map(partition => nameOf(topic, partition))))
}
