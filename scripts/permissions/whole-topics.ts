/** For brokers that permit a topic or nothing: what a consumer may have there, and what it cannot, since it may see some types only. */

import { EVERY_TYPE, type Topic } from '#contracts/define.ts'
import { type EventConsumer, topics } from '#contracts/event-consumers.ts'

export type OnTopics = {
  /** Of the consumer: what its groups begin with. */
  name: string
  user: string
  driver: boolean
  reads: Topic[]
  publishes: readonly Topic[]
  /** `reads product.events`: of which it may read some types only, so that it is permitted nothing. */
  withheld: string[]
}

export function wholeTopics(consumers: Readonly<Record<string, EventConsumer>>): OnTopics[] {
  return Object.entries(consumers).flatMap(([name, { user, driver = false, reads = {}, publishes = [] }]) => {
    if (!user) return []
    const isWhole = (topic: Topic) => reads[topic]?.includes(EVERY_TYPE) ?? false
    const some = topics.filter(topic => reads[topic] && !isWhole(topic))
    return { name, user, driver, reads: topics.filter(isWhole), publishes, withheld: some.map(topic => `reads ${topic}`) }
  })
}

/** What is said of it, in the comments of a script. */
export function withheldNotes({ user, withheld }: OnTopics, comment: string): string[] {
  return withheld.map(what => `${comment} not permitted: ${user} ${what} by type, and this broker permits a topic or nothing`)
}
