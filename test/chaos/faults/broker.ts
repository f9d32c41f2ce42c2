/** What happens to the broker: it crashes, or has no way to take what is published. */
import { setTimeout as delay } from 'node:timers/promises'
import { once } from '../world.ts'
import { type Fault, GOES_ON } from './fault.ts'

export function killBroker(downMs: number): Fault {
  return {
    says: 'the broker dies with kill -9 under load and comes back',
    async strike(world) {
      world.strikes++
      await world.servers.broker.kill()
      await delay(downMs)
      await world.servers.broker.start()
      await world.progress(GOES_ON, 60_000)
    }
  }
}

/** There is nowhere to put what is published, until there is again. */
export function takeRouteAway(ms: number): Fault {
  return {
    says: 'what publishing needs at the broker is gone, and comes back',
    async strike(world) {
      world.strikes++
      const putBack = await routes[world.servers.brokerName]!(world.brokerUrl, world.topic)
      await delay(ms)
      await putBack()
      await world.progress(GOES_ON, 60_000)
    }
  }
}

/** Takes it away, and gives back how to put it back. */
const routes: Record<string, (brokerUrl: string, topic: string) => Promise<() => Promise<unknown>>> = {
  async postgres(brokerUrl) {
    await once(brokerUrl, 'alter table broker.topics rename to topics_gone')
    return () => once(brokerUrl, 'alter table broker.topics_gone rename to topics')
  }
}
