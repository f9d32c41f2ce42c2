/**
 * Signing what leaves: a detached JWS (RFC 7515 appendix F, RFC 7797) over the exact bytes of the body, in the header `ce_signature`. Made
 * at send, so that whatever waited is signed with the key of now.
 */
import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { Message } from '#broker/broker.ts'
import type { Database } from '../postgres/database.ts'
import { singleFlight } from '../single-flight.ts'
import type { Sealing } from './sealing.ts'
import { readActiveKey } from './signing-keys.ts'

/** For as long, a key that was revoked or has retired may go on signing. */
const KEY_FRESH_MS = 1000

/** Gives back the messages as they are, each with its signature. Rejects when there is no key to sign with. */
export type Sign = (messages: readonly Message[]) => Promise<Message[]>

/** The private key that signs now. */
export type CurrentKey = () => Promise<{ kid: string; key: KeyObject }>

/** Reads the keys of the service whose database it is. `now` is monotonic, in milliseconds. */
export function openCurrentKey(options: { database: Database; sealing: Sealing; now?: () => number }): CurrentKey {
  const { database, sealing, now = () => performance.now() } = options
  let current: { kid: string; key: KeyObject; readAt: number } | undefined
  const read = singleFlight(async () => {
    const readAt = now()
    const { kid, pkcs8 } = await readActiveKey(database, sealing)
    if (current?.kid === kid) current = { ...current, readAt }
    else current = { kid, key: createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }), readAt }
    return current
  })
  return async () => (current && now() - current.readAt < KEY_FRESH_MS ? current : read())
}

/** Signs with the keys of the service whose database it is. `now` is monotonic, in milliseconds. */
export function openSigner(options: { database: Database; sealing: Sealing; now?: () => number }): Sign {
  const currentKey = openCurrentKey(options)
  return async messages => {
    const { kid, key } = await currentKey()
    const header = headerOf(kid)
    return Promise.all(
      messages.map(async message => ({
        ...message,
        headers: { ...message.headers, ce_signature: await signatureOf(message.body, header, key) }
      }))
    )
  }
}

function headerOf(kid: string): string {
  return Buffer.from(JSON.stringify({ alg: 'EdDSA', kid, typ: 'event+jws', b64: false, crit: ['b64'] })).toString('base64url')
}

/** On the threads of the pool: a batch of hundreds does not hold up the process. */
export const signAside = promisify(sign)

async function signatureOf(body: Uint8Array, header: string, key: KeyObject): Promise<string> {
  const input = Buffer.concat([Buffer.from(`${header}.`), body])
  return `${header}..${(await signAside(null, input, key)).toString('base64url')}`
}
