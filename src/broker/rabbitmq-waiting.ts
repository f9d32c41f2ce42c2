import type { Channel } from 'amqplib'
import { type Link, within } from './rabbitmq-connection.ts'

const ANSWER_TIMEOUT_MS = 5_000

/** How many messages are in the queue of each group that has one, besides those that a member holds. */
export async function readyIn(link: Link, groups: readonly string[]): Promise<Map<string, number>> {
  const { model, lost } = await link.connection()
  const ready = new Map<string, number>()
  // Also without a group: that it opens says that the broker is there.
  let channel: Channel | undefined = await openChannel()
  for (const group of new Set(groups)) {
    channel ??= await openChannel()
    try {
      ready.set(group, (await within(ANSWER_TIMEOUT_MS, channel.checkQueue(group))).messageCount)
    } catch (error) {
      // The question about a queue that is not there ends the channel.
      channel = undefined
      if (lost.aborted || (error as { code?: number }).code !== 404) throw error
    }
  }
  await channel?.close()
  return ready

  async function openChannel(): Promise<Channel> {
    const opened = await within(ANSWER_TIMEOUT_MS, model.createChannel())
    opened.on('error', () => {})
    return opened
  }
}
