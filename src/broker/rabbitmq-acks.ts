import type { Channel, Message } from 'amqplib'

/** Tells RabbitMQ what a channel's deliveries have come to: many acknowledgements in one frame, and only of what is settled. */
export type Acks = {
  settle(deliveryTag: number, verdict: 'ack' | 'dead-letter'): void
  /** Sends what is settled and not sent. */
  flush(): void
}

/** Deliveries of the channel are numbered from 1, without gaps. */
export function openAcks(channel: Pick<Channel, 'ack' | 'reject'>): Acks {
  /** Everything before it is settled. */
  let first = 1
  /** Settled, at or behind `first`. */
  const ahead = new Set<number>()
  let unsent: number[] = []

  function flush(): void {
    const tags = unsent
    unsent = []
    while (ahead.delete(first)) first++
    let last = 0
    for (const tag of tags) {
      if (tag >= first) send(() => channel.ack(message(tag)))
      else last = Math.max(last, tag)
    }
    if (last > 0) send(() => channel.ack(message(last), true))
  }

  return {
    settle(deliveryTag, verdict) {
      ahead.add(deliveryTag)
      if (verdict === 'dead-letter') return send(() => channel.reject(message(deliveryTag), false))
      if (unsent.length === 0) setImmediate(flush)
      unsent.push(deliveryTag)
    },
    flush
  }
}

function message(deliveryTag: number): Message {
  return { fields: { deliveryTag } } as Message
}

/** A channel that is gone takes no more: RabbitMQ delivers again what it was not told of. */
function send(write: () => void): void {
  try {
    write()
  } catch (error) {
    if ((error as Error).name !== 'IllegalOperationError') throw error
  }
}
