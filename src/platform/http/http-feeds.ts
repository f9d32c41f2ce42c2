/**
 * The event log over HTTP: a page, or, for whoever accepts `text/event-stream`, what comes from there on, as it comes. A stream ends when
 * its reader leaves or does not read, when the token expires or the API key is taken back, and when the process stops; `Last-Event-ID` resumes it.
 */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type FeedPage, type FeedQuestion, readFeedPage } from '../messaging/event-feed.ts'
import type { Step } from '../messaging/event-tail.ts'
import { invalid } from '../text/validation.ts'
import type { Handler } from './handlers.ts'
import type { Answer, Edge } from './http-answers.ts'
import { piecesOf } from './http-downloads.ts'
import { problemOf } from './http-problems.ts'
import { inputOf } from './http-writes.ts'

type FeedHandler = Extract<Handler, { kind: 'feed' }>

const PAGE_BYTES = 4 * 1024 * 1024

export function answerFeed(edge: Edge, { run }: FeedHandler): Answer {
  return async (request, reply) => {
    const asked = run(inputOf(request, undefined))
    // Here and not in the behaviour: no feed can forget it.
    const question = { ...asked, types: edge.eventPermissions.narrow(asked.types, request.actor) }
    reply.header('cache-control', 'no-store')
    if (acceptsStream(request.headers.accept)) return stream(edge, request, reply, question)
    const page = await readFeedPage(edge.database, question, { limit: question.limit, bytes: PAGE_BYTES })
    return reply.header('content-type', 'application/json; charset=utf-8').send(textOf(page))
  }
}

/** Whoever names both gets a page. */
function acceptsStream(accept = ''): boolean {
  return /text\/event-stream(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(accept) && !/application\/json/i.test(accept)
}

/** The bodies are put in as they are, so that they come out character for character. */
function textOf({ events, position, head }: FeedPage): string {
  const data = events.map(event => `{"position":${event.position},"event":${event.body}}`).join(',')
  const nextCursor = position < head ? `"${position}"` : 'null'
  return `{"data":[${data}],"nextCursor":${nextCursor},"position":${position},"headPosition":${head}}`
}

/** What a reader may take over a piece. What is there for it meanwhile stays in the log. */
const PIECE_MS_MAX = 30_000
/** A reader that is not reading does not read the end either. */
const LAST_MS_MAX = 1000
const TIMER_MS_MAX = 2_147_483_647
/** How often it is asked whether credentials that can be taken back are good still. */
const STANDING_MS = 1000

async function stream(edge: Edge, request: FastifyRequest, reply: FastifyReply, question: FeedQuestion): Promise<FastifyReply> {
  const after = lastEventIdOf(request) ?? question.after
  const ending = new AbortController()
  const end = (reason: string) => ending.abort(reason)
  const stop = () => {
    end('shutting-down')
    lastly = setTimeout(() => reply.raw.destroy(), LAST_MS_MAX)
  }
  let lastly: NodeJS.Timeout | undefined
  const { expiresAtMs = Number.POSITIVE_INFINITY } = request.actor
  const expiry = setTimeout(() => end('token-expired'), Math.min(TIMER_MS_MAX, Math.max(0, expiresAtMs - Date.now())))
  const { stands } = request.actor
  const watch =
    stands &&
    setInterval(
      () =>
        stands().then(
          good => good || end('credentials-ended'),
          () => end('unavailable')
        ),
      STANDING_MS
    )
  edge.closing.addEventListener('abort', stop, { once: true })
  reply.raw.once('close', () => {
    end('left')
    clearTimeout(expiry)
    clearInterval(watch)
    clearTimeout(lastly)
    edge.closing.removeEventListener('abort', stop)
  })

  const frames = framesOf(edge, { ...question, after }, ending.signal)
  // What is refused is refused before anything is sent.
  const first = await frames.next()
  reply.header('content-type', 'text/event-stream; charset=utf-8').header('x-accel-buffering', 'no')
  if (request.method === 'HEAD') {
    await frames.return(undefined)
    return reply.send(Readable.from([]))
  }
  const pieces = piecesOf(first, frames, () => reply.raw.destroy(), PIECE_MS_MAX)
  return reply.send(Readable.from(pieces, { objectMode: false }))
}

/** Of a browser, or of whoever else resumes. Throws `invalid-request` for what is no position. */
function lastEventIdOf({ headers }: FastifyRequest): number | undefined {
  const id = headers['last-event-id']
  if (id === undefined || id === '') return undefined
  if (typeof id === 'string' && /^\d+$/.test(id) && Number.isSafeInteger(Number(id))) return Number(id)
  throw invalid([{ pointer: '#/headers/Last-Event-ID', code: 'pattern', detail: 'must be the position of an event' }])
}

const RETRY_MS = 3000
const HEARTBEAT_MS = 15_000

/** Server-Sent Events from a position on until `ending` aborts, whose reason they tell last. Begins with what may be refused. */
async function* framesOf(
  { tail, log }: Edge,
  question: FeedQuestion,
  ending: AbortSignal
): AsyncGenerator<string, void, undefined> {
  using follower = tail.join()
  let step: Step = await follower.read(question)
  yield `retry: ${RETRY_MS}\n\n`
  for (let toldAt = performance.now(); !ending.aborted; ) {
    const text = step.events.map(({ frame }) => frame).join('')
    const since = performance.now() - toldAt
    // An id without an event is none to the reader, but where it resumes.
    const said = text === '' && since >= HEARTBEAT_MS ? `: nothing for you up to here\nid: ${step.position}\n\n` : text
    if (said !== '') {
      yield said
      toldAt = performance.now()
    }
    const waitMs = toldAt + HEARTBEAT_MS - performance.now()
    try {
      step = await follower.next({ ...question, after: step.position }, Math.max(0, waitMs), ending)
    } catch (error) {
      const { code } = problemOf(error)
      log.warn({ unit: 'http', error: String(error) }, 'a stream of events ended early')
      yield endFrame(code)
      return
    }
  }
  if (ending.reason !== 'left') yield endFrame(ending.reason)
}

function endFrame(reason: string): string {
  return `event: end\ndata: ${JSON.stringify({ reason })}\n\n`
}
