/** Answers that are sent as they are made, at the pace of whoever reads them. */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operation } from '#contracts/define.ts'
import type { Handler } from './handlers.ts'
import { type Edge, inputOf } from './http-answers.ts'

type DownloadHandler = Extract<Handler, { kind: 'download' }>

export function answerDownload(edge: Edge, { reply: { mediaType } }: Operation, { run }: DownloadHandler) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const { filename, headers = {}, chunks } = await run(edge, inputOf(request, undefined))
    const iterator = chunks[Symbol.asyncIterator]()
    // The first is made before anything is sent: what fails until then is answered as a problem.
    const first = await iterator.next()
    reply.header('content-type', `${mediaType}; charset=utf-8`).header('cache-control', 'no-store').headers(headers)
    if (filename) reply.header('content-disposition', `attachment; filename="${filename}"`)
    if (request.method === 'HEAD') {
      await iterator.return?.()
      return reply.send()
    }
    return reply.send(Readable.from(rest(first, iterator), { objectMode: false, highWaterMark: CHUNK_BYTES }))
  }
}

const CHUNK_BYTES = 65_536

/** Ends the iterator also when the reader goes away: then the stream is destroyed, and this generator with it. */
async function* rest(first: IteratorResult<string>, iterator: AsyncIterator<string>): AsyncGenerator<string> {
  try {
    for (let next = first; !next.done; next = await iterator.next()) if (next.value !== '') yield next.value
  } finally {
    await iterator.return?.()
  }
}
