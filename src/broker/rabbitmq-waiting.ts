import type { Subscription } from './broker.ts'
import { type Link, within } from './rabbitmq-connection.ts'

const TIMEOUT_MS = 2_000

/** How many messages are ready in the queue of each group that has one. Rejects when RabbitMQ cannot be reached. */
export async function waitingIn(link: Link, groups: readonly Pick<Subscription, 'group'>[]): Promise<ReadonlyMap<string, number>> {
  const { model } = await within(TIMEOUT_MS, link.connection())
  const counts = await Promise.all(
    groups.map(async ({ group }) => {
      // One each: RabbitMQ closes the channel that asks for a queue which is not there.
      const channel = await within(TIMEOUT_MS, model.createChannel())
      channel.on('error', () => {})
      try {
        const { messageCount } = await within(TIMEOUT_MS, channel.checkQueue(group))
        await channel.close()
        return [group, messageCount] as const
      } catch (error) {
        if ((error as { code?: number }).code === NOT_FOUND) return undefined
        throw error
      }
    })
  )
  return new Map(counts.filter(count => count !== undefined))
}

const NOT_FOUND = 404
