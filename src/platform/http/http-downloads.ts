/** Answers that are sent as they are made, at the pace of whoever reads them. */
import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Operation } from '#contracts/define.ts'
import type { Handler } from './handlers.ts'
import type { Answer, Edge } from './http-answers.ts'
import { inputOf } from './http-writes.ts'

type DownloadHandler = Extract<Handler, { kind: 'download' }>

export function answerDownload(edge: Edge, { reply: { mediaType } }: Operation, { run }: DownloadHandler): Answer {
  return async (request, reply) => {
    const { filename, headers = {}, chunks } = await run(edge, inputOf(request, undefined))
    const iterator = chunks[Symbol.asyncIterator]()
    // The first is made before anything is sent: what fails until then is answered as a problem.
    const first = await iterator.next()
    reply.header('content-type', `${mediaType}; charset=utf-8`).header('cache-control', 'no-store').headers(headers)
    if (filename) reply.header('content-disposition', `attachment; filename="${filename}"`)
    if (request.method === 'HEAD') {
      await iterator.return?.()
      // Node tells the length of an answer in which there is nothing, but not to HEAD.
      if (first.done) reply.header('content-length', '0')
      // Not nothing, whose length would be told: that of what is not made nobody knows.
      return reply.send(Readable.from([]))
    }
    const pieces = piecesOf(first, iterator, () => reply.raw.destroy())
    return reply.send(Readable.from(told(pieces, edge, request), { objectMode: false, highWaterMark: PIECE_BYTES }))
  }
}

const PIECE_BYTES = 65_536
/** What a reader may take over one piece: meanwhile a snapshot is held open for it. */
const PIECE_MS_MAX = 30_000

/** An answer piece by piece; `cut` is called when one is not taken in time. Its end, whichever it is, is the end of `iterator`. */
export async function* piecesOf(
  first: IteratorResult<string>,
  iterator: AsyncIterator<string>,
  cut: () => void,
  pieceMsMax = PIECE_MS_MAX
): AsyncGenerator<string> {
  let timer: NodeJS.Timeout | undefined
  try {
    for (let next = first; !next.done; next = await iterator.next()) {
      if (next.value === '') continue
      timer = setTimeout(cut, pieceMsMax)
      yield next.value
      clearTimeout(timer)
    }
  } finally {
    clearTimeout(timer)
    await iterator.return?.()
  }
}

/** Its status was sent long ago, so that nobody would hear of a failure half-way: the connection just ends. */
async function* told(pieces: AsyncGenerator<string>, { log }: Edge, { url }: FastifyRequest): AsyncGenerator<string> {
  try {
    yield* pieces
  } catch (error) {
    log.error({ unit: 'http', url, err: error }, 'an answer broke off')
    throw error
  }
}
