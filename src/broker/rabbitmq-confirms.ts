/** Publishing over one channel: a bounded number of messages in flight, in order, each batch settled by the confirms of its messages. */
import type { ConfirmChannel, Message as Returned } from 'amqplib'
import type { Message } from './broker.ts'
import { toProperties } from './rabbitmq-wire.ts'

export type Confirms = {
  /** Why nothing is sent now. */
  readonly paused: Error | undefined
  /** Resolves once RabbitMQ has confirmed all; rejects when it refuses one or the channel goes, and then sends no more of them. */
  send(messages: readonly Message[], refused: Map<Message, string>): Promise<void>
  /** Rejects everything that is not confirmed. What is sent meanwhile is rejected too, until `resume`. */
  pause(reason: Error): void
  resume(): void
}

export type ConfirmsEvents = {
  /** Nothing was confirmed for too long. */
  stalled(reason: Error): void
  /** No queue was there for it; RabbitMQ confirms it all the same. */
  unroutable(topic: string, routingKey: string): void
}

type Batch = {
  messages: readonly Message[]
  refused: Map<Message, string>
  sent: number
  unconfirmed: number
  over: boolean
  resolve(): void
  reject(error: Error): void
}

const IN_FLIGHT = { messages: 500, bytes: 16 * 1024 * 1024 }
/** A quorum queue without its majority confirms nothing. */
const CONFIRM_TIMEOUT_MS = 15_000

export function openConfirms(channel: ConfirmChannel, events: ConfirmsEvents): Confirms {
  /** With something to send, in the order in which they came. */
  const waiting: Batch[] = []
  /** The batch of each message in flight, and its size; the first has the tag `firstTag`. */
  let tags: (Batch | undefined)[] = []
  let sizes: number[] = []
  let firstTag = 1
  let inFlight = 0
  let bytesInFlight = 0
  let paused: Error | undefined
  const patience = setTimeout(() => {
    // What blocks a connection may last; that it is still there, heartbeats say.
    if (inFlight > 0 && !paused) events.stalled(new Error(`RabbitMQ has confirmed nothing for ${CONFIRM_TIMEOUT_MS / 1000} s`))
  }, CONFIRM_TIMEOUT_MS).unref()

  channel.on('ack', ({ deliveryTag, multiple }) => settle(deliveryTag, multiple, true))
  channel.on('nack', ({ deliveryTag, multiple }) => settle(deliveryTag, multiple, false))
  channel.on('return', ({ fields }: Returned) => events.unroutable(fields.exchange, fields.routingKey))

  function fill(): void {
    while (inFlight < IN_FLIGHT.messages && bytesInFlight < IN_FLIGHT.bytes && waiting.length > 0) {
      const batch = waiting[0]!
      if (!batch.over && batch.sent < batch.messages.length) sendNext(batch)
      else waiting.shift()
    }
  }

  function sendNext(batch: Batch): void {
    const message = batch.messages[batch.sent++]!
    const { buffer, byteOffset, byteLength } = message.body
    try {
      channel.publish(message.topic, message.routingKey, Buffer.from(buffer, byteOffset, byteLength), toProperties(message))
    } catch (error) {
      // Headers that do not fit where AMQP has them will never fit.
      if (error instanceof RangeError) batch.refused.set(message, error.message)
      else end(batch, error as Error)
      finish(batch)
      return
    }
    if (inFlight++ === 0) patience.refresh()
    batch.unconfirmed++
    bytesInFlight += byteLength
    tags.push(batch)
    sizes.push(byteLength)
  }

  function settle(deliveryTag: number, multiple: boolean, confirmed: boolean): void {
    const last = deliveryTag - firstTag
    for (let index = multiple ? 0 : last; index <= last; index++) {
      const batch = tags[index]
      if (!batch) continue
      tags[index] = undefined
      inFlight--
      bytesInFlight -= sizes[index]!
      batch.unconfirmed--
      if (confirmed) finish(batch)
      else end(batch, new Error('RabbitMQ has not taken a message: a queue is full or has lost its majority'))
    }
    const pending = tags.findIndex(batch => batch !== undefined)
    const settled = pending < 0 ? tags.length : pending
    tags = tags.slice(settled)
    sizes = sizes.slice(settled)
    firstTag += settled
    patience.refresh()
    fill()
  }

  function finish(batch: Batch): void {
    if (batch.over || batch.unconfirmed > 0 || batch.sent < batch.messages.length) return
    batch.over = true
    batch.resolve()
  }

  function end(batch: Batch, reason: Error): void {
    if (batch.over) return
    batch.over = true
    batch.reject(reason)
  }

  return {
    get paused() {
      return paused
    },
    send(messages, refused) {
      if (paused) return Promise.reject(paused)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      waiting.push({ messages, refused, sent: 0, unconfirmed: 0, over: false, resolve, reject })
      fill()
      return promise
    },
    pause(reason) {
      paused = reason
      for (const batch of [...tags, ...waiting]) if (batch) end(batch, reason)
    },
    resume() {
      paused = undefined
      patience.refresh()
      fill()
    }
  }
}
