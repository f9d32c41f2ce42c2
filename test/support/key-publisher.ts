/** Somebody who signs events and publishes the keys, as other people's services do: with nothing of ours. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Key = { kid: string; privateKey: KeyObject; publicKey: KeyObject; jwk: Record<string, unknown> }

export function newKey(): Key {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const { x } = publicKey.export({ format: 'jwk' })
  const kid = createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url')
  return { kid, privateKey, publicKey, jwk: { kty: 'OKP', crv: 'Ed25519', x, kid, use: 'sig', alg: 'EdDSA' } }
}

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A detached JWS over a body; `header` says what it says otherwise than it should. */
export function signatureOf(
  key: Pick<Key, 'kid' | 'privateKey'>,
  body: Uint8Array | string,
  header: Record<string, unknown> = {}
): string {
  const protectedHeader = base64url({ alg: 'EdDSA', kid: key.kid, b64: false, crit: ['b64'], ...header })
  const input = Buffer.concat([Buffer.from(`${protectedHeader}.`), Buffer.from(body)])
  return `${protectedHeader}..${sign(null, input, key.privateKey).toString('base64url')}`
}

export interface KeyPublisher extends AsyncDisposable {
  url: string
  /** What is published from now on. */
  keys: Record<string, unknown>[]
  /** Answers in its own way, when it does not publish keys. */
  answer: ((response: ServerResponse) => void) | undefined
  /** How often it was asked. */
  asked: number
}

export async function startKeyPublisher(...keys: Key[]): Promise<KeyPublisher> {
  const publisher = { keys: keys.map(({ jwk }) => jwk), answer: undefined, asked: 0 } as Pick<
    KeyPublisher,
    'keys' | 'answer' | 'asked'
  >
  const server = createServer((_request, response) => {
    publisher.asked++
    if (publisher.answer) return publisher.answer(response)
    response.writeHead(200, { 'content-type': 'application/jwk-set+json', 'cache-control': 'public, max-age=600' })
    response.end(JSON.stringify({ keys: publisher.keys }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(publisher, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    }
  })
}
