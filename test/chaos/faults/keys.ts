/** What happens to the keys that sign events: they are exchanged, taken out, and not to be had. */
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '#broker/conformance-kit.ts'
import { openSealing } from '#platform/sealing.ts'
import { readSigningKeys, revokeSigningKey, rotateSigningKey } from '#platform/signing-keys.ts'
import { openCounting } from '../counting.ts'
import type { World } from '../world.ts'
import { type Fault, GOES_ON } from './fault.ts'

const sealing = openSealing(undefined)

/** So soon that nobody has fetched the key before it signs: what it signed has to wait for it. */
const LEAD_SECONDS = 1

export function rotateKeys(): Fault {
  return {
    says: 'a new key signs before anybody has fetched it',
    async strike(world) {
      await rotated(world)
      await world.progress(GOES_ON, 60_000)
    }
  }
}

/** Consumers keep what they know; what a key has signed that they do not know waits. */
export function keySetAway(ms: number): Fault {
  return {
    says: 'the key set is not to be had, and the key changes meanwhile',
    async strike(world) {
      world.the('api').signal('SIGSTOP')
      await rotated(world)
      await delay(ms)
      world.the('api').signal('SIGCONT')
      await world.progress(GOES_ON, 90_000)
    }
  }
}

/** One that signs no more, once nothing that it signed is on its way. */
export function revokeRetiredKey(): Fault {
  return {
    says: 'a key that signs no more is revoked',
    async strike(world) {
      await using database = openCounting(world.serviceUrl, 1)
      const retired = (await readSigningKeys(database)).find(({ state }) => state === 'retired')
      if (!retired) throw new Error('no key is retired')
      await revokeSigningKey(database, sealing, retired.kid)
      await world.progress(GOES_ON, 60_000)
    }
  }
}

async function rotated(world: World): Promise<void> {
  await using database = openCounting(world.serviceUrl, 1)
  const { kid } = await rotateSigningKey(database, sealing, LEAD_SECONDS)
  await until('the new key signs', async () =>
    (await readSigningKeys(database)).some(key => key.kid === kid && key.state === 'active')
  )
}
