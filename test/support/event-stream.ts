/** A reader of Server-Sent Events as the HTML standard has them parsed, that can stop reading, leave, and resume where it was. */
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'

export type StreamedEvent = { id: string; event: string; data: string }

export interface EventStream extends AsyncDisposable {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  /** Events so far, in order. */
  readonly events: StreamedEvent[]
  /** What resumes: the id that came last, also where no event came with it. */
  lastEventId: string
  comments: number
  /** How it ended; undefined while it goes on. */
  readonly ended: 'whole' | 'broken' | undefined
  /** The body of an answer that is no stream. */
  problem(): Promise<Record<string, unknown>>
  pause(): void
  resume(): void
  /** Waits for it. */
  until(wanted: (stream: EventStream) => boolean, timeoutMs?: number): Promise<void>
  leave(): void
}

export async function openEventStream(url: string, headers: Record<string, string> = {}): Promise<EventStream> {
  const asked = get(url, { agent: false, headers: { accept: 'text/event-stream', authorization: 'Bearer anybody', ...headers } })
  const [reply] = (await once(asked, 'response')) as [IncomingMessage]
  asked.on('error', () => {})
  let changed = Promise.withResolvers<void>()
  let ended: EventStream['ended']
  const tell = () => {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }
  const stream: EventStream = {
    status: reply.statusCode!,
    headers: reply.headers,
    events: [],
    lastEventId: headers['last-event-id'] ?? '',
    comments: 0,
    get ended() {
      return ended
    },
    problem: async () => JSON.parse(await text(reply)),
    pause: () => void reply.pause(),
    resume: () => void reply.resume(),
    async until(wanted, timeoutMs = 20_000) {
      const giveUpAt = Date.now() + timeoutMs
      while (!wanted(stream)) {
        if (Date.now() > giveUpAt) {
          throw new Error(
            `not in ${timeoutMs} ms; ${stream.events.length} events, the last ${JSON.stringify(stream.events.at(-1))}`
          )
        }
        await Promise.race([changed.promise, delay(100)])
      }
    },
    leave: () => void asked.destroy(),
    [Symbol.asyncDispose]: async () => void asked.destroy()
  }
  if (!reply.headers['content-type']?.startsWith('text/event-stream')) return stream

  let rest = ''
  reply.setEncoding('utf8')
  reply.on('data', (chunk: string) => {
    rest += chunk
    const blocks = rest.split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) take(stream, block.split('\n'))
    tell()
  })
  reply.on('error', () => {})
  reply.on('close', () => {
    ended = reply.complete ? 'whole' : 'broken'
    tell()
  })
  return stream
}

function take(stream: EventStream, lines: readonly string[]): void {
  let event = 'message'
  const data: string[] = []
  for (const line of lines) {
    const [, field, value = ''] = /^([^:]*):? ?(.*)$/s.exec(line)!
    if (field === '') stream.comments++
    if (field === 'id') stream.lastEventId = value
    if (field === 'event') event = value
    if (field === 'data') data.push(value)
  }
  if (data.length > 0) stream.events.push({ id: stream.lastEventId, event, data: data.join('\n') })
}
