/**
 * One member of a consumer group on RabbitMQ. The group's queue has a single active consumer: RabbitMQ delivers to one member and
 * turns to another when that one's channel closes, first with everything it had not acknowledged, in order.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { BrokerLog, Subscription } from './broker.ts'
import { openLanes } from './lanes.ts'
import { openAcks } from './rabbitmq-acks.ts'
import { describe, type Link, within } from './rabbitmq-connection.ts'
import { declareGroup } from './rabbitmq-topology.ts'
import { toDelivery } from './rabbitmq-wire.ts'

/** Unacknowledged deliveries at most: enough to flow past keys that are stuck, and bounded in memory. */
const PREFETCH = 500
const CLOSE_TIMEOUT_MS = 5_000
/** A quorum queue is only there once a majority of its nodes has it. */
const DECLARE_TIMEOUT_MS = 30_000

export type Member = AsyncDisposable & {
  group: string
  /** Deliveries that it has and has not settled. */
  readonly held: number
}

/** A consumer on a channel of its own. */
type Consumer = {
  readonly held: number
  /** Aborts when it gets no more. */
  ends: AbortSignal
  /** Waits for what is in flight and gives back the rest. */
  stop(): Promise<void>
}

/** Declares the group's queue and takes part until disposed. Rejects when the broker is away. */
export async function openRabbitMqSubscription(link: Link, subscription: Subscription, log?: BrokerLog): Promise<Member> {
  const { group } = subscription
  const stopped = new AbortController()
  let consumer: Consumer | undefined = await openConsumer(link, subscription, log)
  const ended = takePart()

  async function takePart(): Promise<void> {
    let failures = 0
    while (consumer || !stopped.signal.aborted) {
      try {
        consumer ??= await openConsumer(link, subscription, log)
        failures = 0
        const { ends } = consumer
        await aborted(AbortSignal.any([stopped.signal, ends]))
        await consumer.stop()
        if (stopped.signal.aborted) return
        throw ends.reason
      } catch (error) {
        consumer = undefined
        failures++
        log?.warn({ group, failures, error: describe(error) }, 'a member of the consumer group lost its queue and comes back')
      }
      const backoffMs = Math.min(5_000, 100 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2)
      await delay(backoffMs, undefined, { signal: stopped.signal }).catch(() => {})
    }
  }

  return {
    group,
    get held() {
      return consumer?.held ?? 0
    },
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await ended
    }
  }
}

async function openConsumer(link: Link, subscription: Subscription, log?: BrokerLog): Promise<Consumer> {
  const { group, topics, concurrency } = subscription
  const { model, lost } = await link.connection()
  const channel = await model.createChannel()
  const gone = new AbortController()
  const ends = AbortSignal.any([lost, gone.signal])
  channel.on('error', error => gone.abort(error))
  channel.on('close', () => gone.abort(new Error('the channel was closed')))
  const lanes = openLanes(subscription, log)
  const acks = openAcks(channel)
  let held = 0

  try {
    await within(DECLARE_TIMEOUT_MS, declareGroup(channel, subscription))
    await channel.prefetch(Math.max(PREFETCH, 2 * concurrency))
    await channel.consume(group, message => {
      if (!message) return gone.abort(new Error('the queue was deleted'))
      const { deliveryTag } = message.fields
      held++
      lanes.add(toDelivery(message, group, topics), verdict => {
        held--
        acks.settle(deliveryTag, verdict)
      })
    })
  } catch (error) {
    await close()
    throw error
  }

  async function close(): Promise<void> {
    if (!lost.aborted) await within(CLOSE_TIMEOUT_MS, channel.close()).catch(() => {})
  }

  return {
    ends,
    get held() {
      return held
    },
    async stop() {
      // Not cancelled first: RabbitMQ would turn to the next member while this one still has messages in flight.
      await lanes.stop()
      acks.flush()
      await close()
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
