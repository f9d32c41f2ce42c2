/** What happens to the keys that sign events: they are exchanged, taken out, and not to be had. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Message } from '#broker/broker.ts'
import { until } from '#broker/conformance-kit.ts'
import { toMessage } from '#platform/messaging/cloudevents.ts'
import { readEventLog } from '#platform/messaging/event-log.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { openSigner } from '#platform/signing/signing.ts'
import { readSigningKeys, revokeSigningKey, rotateSigningKey } from '#platform/signing/signing-keys.ts'
import { openCounting } from '../counting.ts'
import type { World } from '../world.ts'
import { deadLetters } from './deliveries.ts'
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
      const retiredKey = async () => (await readSigningKeys(database)).find(({ state }) => state === 'retired')
      if (!(await retiredKey())) {
        await rotated(world)
        await world.progress(GOES_ON, 90_000)
      }
      const retired = (await retiredKey())!
      await revokeSigningKey(database, sealing, retired.kid)
      await world.progress(GOES_ON, 60_000)
    }
  }
}

/** Messages that look like ours, and are not signed as ours are. */
export function forgedMessages(): Fault {
  return {
    says: 'messages come in our name unsigned, with a signature over other bytes, and with one that is none',
    async strike(world) {
      await using database = openCounting(world.serviceUrl, 1)
      const [event] = await readEventLog(world.sql, 0, 1)
      const [genuine] = await openSigner({ database, sealing })([toMessage(event!, '/chaos-service')])
      const forged = (key: string, signature: string | undefined): Message => {
        const { ce_signature: _, ...headers } = genuine!.headers
        const [messageId, said] = [randomUUID(), JSON.parse(String(genuine!.body))]
        const body = Buffer.from(JSON.stringify({ ...said, eventId: messageId, key, attempt: 'forged' }))
        const attributes = { ...headers, ce_id: messageId, ce_subject: `counter/${key}`, ce_partitionkey: key }
        return { ...genuine!, key, messageId, body, headers: { ...attributes, ...(signature ? { ce_signature: signature } : {}) } }
      }
      const messages = [
        { reason: 'signature-missing', message: forged('forged-0', undefined) },
        { reason: 'signature-invalid', message: forged('forged-1', genuine!.headers.ce_signature) },
        { reason: 'signature-invalid', message: forged('forged-2', 'no..signature') }
      ]
      await world.witness.broker.publish(messages.map(({ message }) => message))
      for (const { reason, message } of messages)
        await until(`${message.key} is set aside as ${reason}`, async () => (await deadLetters(world, message.key, reason)) === 1)
      await world.progress(GOES_ON)
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
