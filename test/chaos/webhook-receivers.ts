/** Receivers of webhooks as there are: well, unwell now and then, and bad in every way that there is. Each request is on record. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { makeCertificates } from '../support/certificates.ts'
import { type Received, startWebhookReceiver } from '../support/webhook-receiver.ts'
import type { Seen, Watched } from './webhook-ledger.ts'

/** How a request is answered: the status that its sender gets to know, if any. */
type Way = { says: string; status: number | null; answer(response: ServerResponse): void }

const MEGABYTE = Buffer.alloc(1_000_000, 'x')
/** As long as somebody takes it: who reads it all reads a gigabyte. */
async function endless(response: ServerResponse): Promise<void> {
  for (let sent = 0; sent < 1000 && !response.destroyed; sent++) {
    if (response.write(MEGABYTE)) continue
    await Promise.race([once(response, 'drain'), once(response, 'close')]).catch(() => {})
  }
  response.end()
}

const quickly = (status: number, says: string, headers: Record<string, string> = {}): Way => ({
  says,
  status,
  answer: response => void response.writeHead(status, headers).end()
})

const ways = (canary: string) =>
  ({
    well: quickly(204, 'is well'),
    wellAndLeaves: quickly(204, 'is well and closes the connection', { connection: 'close' }),
    error: quickly(500, 'answers 500'),
    redirect: quickly(302, 'answers 302', { location: canary }),
    gone: quickly(410, 'answers 410'),
    busy: quickly(429, 'answers 429 with Retry-After', { 'retry-after': '3600' }),
    busyForASecond: quickly(429, 'answers 429 with Retry-After', { 'retry-after': '1' }),
    hang: { says: 'hangs', status: null, answer: () => {} },
    loris: {
      says: 'drips its answer (slow loris)',
      status: null,
      answer(response) {
        const { socket } = response
        socket?.write('HTTP/1.1 200 OK\r\nx-drip: ')
        const dripping = setInterval(() => (socket?.destroyed ? clearInterval(dripping) : socket?.write('x')), 50)
      }
    },
    broken: { says: 'breaks off the connection', status: null, answer: response => void response.socket?.destroy() },
    huge: {
      says: 'answers with a body without end',
      status: 200,
      answer: response => void endless(response.writeHead(200))
    },
    hugeError: {
      says: 'answers 500 with a body without end',
      status: 500,
      answer: response => void endless(response.writeHead(500))
    }
  }) satisfies Record<string, Way>
type WayName = keyof ReturnType<typeof ways>

/** Of so many requests one is answered like this, by one that is well otherwise: rarely enough that its breaker stays closed. */
const unwell: readonly [WayName, number][] = [
  ['error', 0.03],
  ['hang', 0.015],
  ['loris', 0.01],
  ['redirect', 0.02],
  ['broken', 0.02],
  ['hugeError', 0.01],
  ['huge', 0.01]
]
/** An endpoint that asks for patience gets it, and waits for a second each time. */
const BUSY_MAX = 2

type Kind = Watched & { way: WayName | 'now and then' }

const both = ['CategoryCreated', 'CategoryUpdated']
const bad = (way: WayName): Kind => ({ name: way, way, types: ['CategoryUpdated'], healthy: false, ordered: false })

export const kinds: readonly Kind[] = [
  { name: 'in order', way: 'now and then', types: both, healthy: true, ordered: true },
  { name: 'in any order', way: 'now and then', types: both, healthy: true, ordered: false },
  { name: 'only new ones', way: 'huge', types: ['CategoryCreated'], healthy: true, ordered: false },
  // Who asks for its address again for each request.
  { name: 'by its name', way: 'wellAndLeaves', types: ['CategoryUpdated'], healthy: true, ordered: true },
  ...(['error', 'hang', 'loris', 'redirect', 'broken', 'hugeError', 'busy', 'gone'] as const).map(bad)
]

/** What receivers do wrong, for the fault matrix. */
export const misdeeds = [...new Set(Object.values(ways('')).map(({ says }) => says))]
  .filter(says => !says.startsWith('is well'))
  .concat('has a certificate of nobody that we know')

export const NAMED = 'hooks.receiver.example'
export const BY_NAME = 'by its name'
export const TLS = 'tls'

export type Receivers = AsyncDisposable & {
  seen: Seen[]
  /** Name of the endpoint → its address. */
  urls: ReadonlyMap<string, string>
  /** The secrets of endpoints, once they are known. */
  secrets: Map<string, string>
  /** Where redirects lead, and who has a certificate that nobody knows: nobody may ever come. */
  trespassers(): number
  /** How many different messages an endpoint has taken. */
  taken(endpoint: string): number
}

export async function startReceivers(chance: () => number, folder: string): Promise<Receivers> {
  await using stack = new AsyncDisposableStack()
  let trespassers = 0
  const receiver = stack.use(await startWebhookReceiver())
  const canary = stack.use(await startWebhookReceiver())
  const { files } = await makeCertificates(folder)
  const tls = createServer({ cert: await readFile(files.cert), key: await readFile(files.key) }, () => trespassers++)
  tls.listen(0, '127.0.0.1')
  await once(tls, 'listening')
  stack.defer(() => {
    tls.closeAllConnections()
    tls.close()
  })

  const known = ways(canary.url)
  const { port } = new URL(receiver.url)
  const byPath = new Map(kinds.map((kind, index) => [`/${index}`, kind]))
  const urls = new Map(
    [...byPath].map(([path, { name }]) => [name, name === BY_NAME ? `http://${NAMED}:${port}${path}` : receiver.url + path])
  )
  urls.set(TLS, `https://127.0.0.1:${(tls.address() as AddressInfo).port}/`)
  const seen: Seen[] = []
  const secrets = new Map<string, string>()
  const taken = new Map<string, Set<string>>(kinds.map(({ name }) => [name, new Set()]))
  const busy = new Map<string, number>()

  function drawn(name: string): WayName {
    const spent = busy.get(name) ?? 0
    if (spent < BUSY_MAX && chance() < 0.01) {
      busy.set(name, spent + 1)
      return 'busyForASecond'
    }
    const among = chance()
    let share = 0
    for (const [way, more] of unwell) {
      share += more
      if (among < share) return way
    }
    return 'well'
  }

  receiver.answer = received => {
    const { name, way } = byPath.get(received.path)!
    const { status, answer } = known[way === 'now and then' ? drawn(name) : way] as Way
    const { id, body } = received
    seen.push({ endpoint: name, id, body, signed: isSigned(received, secrets.get(name)!), answered: status })
    if (status !== null && status < 300) taken.get(name)!.add(id)
    return answer
  }
  const owned = stack.move()
  return {
    ...{ seen, urls, secrets },
    trespassers: () => trespassers + canary.received.length,
    taken: endpoint => taken.get(endpoint)!.size,
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}

function isSigned({ headers, id, body }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  const expected = createHmac('sha256', key).update(`${id}.${headers['webhook-timestamp']}.${body}`).digest()
  return String(headers['webhook-signature'])
    .split(' ')
    .filter(each => each.startsWith('v1,'))
    .map(each => Buffer.from(each.slice(3), 'base64'))
    .some(each => each.length === expected.length && timingSafeEqual(each, expected))
}
