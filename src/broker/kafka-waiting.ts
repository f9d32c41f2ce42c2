/** How far consumer groups are behind, by what Kafka has and what they have committed. Asked without being a member of any. */
import type { Subscription } from './broker.ts'
import { nameOf } from './kafka-assignment.ts'
import { errorName, type KafkaClient, type KafkaNode } from './kafka-client.ts'
import type { KafkaCluster, KafkaTopic } from './kafka-cluster.ts'

const REQUEST_MS = 2_000
const LATEST = -1n
const READ_COMMITTED = 1

type Group = Pick<Subscription, 'group' | 'topics'>

/** Of the groups that have committed anything. Rejects when Kafka cannot be reached. */
export async function waitingIn(
  client: KafkaClient,
  cluster: KafkaCluster,
  groups: readonly Group[]
): Promise<ReadonlyMap<string, number>> {
  if (groups.length === 0) {
    await cluster.meet()
    return new Map()
  }
  const topics = await cluster.topics(new Set(groups.flatMap(group => group.topics)))
  try {
    const ends = await endsOf(client, [...topics.values()])
    const counts = await Promise.all(
      groups.map(async group => [group.group, await behind(client, cluster, group, topics, ends)] as const)
    )
    return new Map(counts.filter((count): count is [string, number] => count[1] !== undefined))
  } catch (error) {
    cluster.forget()
    throw error
  }
}

/** Where the next message of each partition goes. */
async function endsOf(client: KafkaClient, topics: readonly KafkaTopic[]): Promise<ReadonlyMap<string, number>> {
  const led = topics.flatMap(({ name, leaders }) => leaders.map((node, partition) => ({ name, partition, node })))
  const byLeader = Map.groupBy(
    led.filter(each => each.node !== undefined),
    ({ node }) => `${node!.host}:${node!.port}`
  )
  const replies = await Promise.all(
    Array.from(byLeader.values(), partitions => {
      const asked = Array.from(
        Map.groupBy(partitions, ({ name }) => name),
        ([name, of]) => ({
          name,
          partitions: of.map(({ partition }) => ({ partitionIndex: partition, currentLeaderEpoch: -1, timestamp: LATEST }))
        })
      )
      return client.request('ListOffsets', partitions[0]!.node as KafkaNode, REQUEST_MS, -1, READ_COMMITTED, asked)
    })
  )
  const found = replies.flatMap(({ topics }) =>
    topics.flatMap(({ name, partitions }) => partitions.map(partition => ({ name, ...partition })))
  )
  return new Map(
    found
      .filter(({ errorCode }) => errorCode === 0)
      .map(({ name, partitionIndex, offset }) => [nameOf(name, partitionIndex), Number(offset)])
  )
}

async function behind(
  client: KafkaClient,
  cluster: KafkaCluster,
  { group, topics }: Group,
  known: ReadonlyMap<string, KafkaTopic>,
  ends: ReadonlyMap<string, number>
): Promise<number | undefined> {
  // Kafka looks for one when it is first asked. That Kafka is there at all the ends have shown.
  const coordinator = await cluster.coordinator(group).catch(() => undefined)
  if (!coordinator) return undefined
  const all = topics.map(name => ({ name, partitionIndexes: [...known.get(name)!.leaders.keys()] }))
  const asked = [{ groupId: group, memberId: null, memberEpoch: -1, topics: all }]
  const reply = await client.request('OffsetFetch', coordinator, REQUEST_MS, asked, false)
  // Of older brokers the topics stand where those of a group do.
  const found = reply.groups?.[0] ?? (reply as unknown as (typeof reply.groups)[number])
  if (found.errorCode !== 0) throw new Error(`Kafka does not say how far group ${group} has come: ${errorName(found.errorCode)}`)
  const committed = found.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, committedOffset }) => [nameOf(name, partitionIndex), Number(committedOffset)] as const)
  )
  if (committed.every(([, offset]) => offset < 0)) return undefined
  return committed.reduce((sum, [partition, offset]) => sum + Math.max((ends.get(partition) ?? 0) - Math.max(offset, 0), 0), 0)
}
