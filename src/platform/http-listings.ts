/** Pages of stored documents: the same question within a second gets the same text, unless something changed. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operation } from '#contracts/define.ts'
import { noneMatch } from './etag.ts'
import type { Asked, Handler } from './handlers.ts'
import { type Answer, type Edge, JSON_TYPE } from './http-answers.ts'
import type { KeptText } from './listings.ts'

type ListingHandler = Extract<Handler, { kind: 'listing' }>

export function answerListing(edge: Edge, { run }: ListingHandler): Answer {
  return (request, reply) => {
    const { params, query } = request as unknown as Asked<Operation>
    const answer = edge.listings.get(request.url, () => run(edge, { params, query }))
    if (answer instanceof Promise) return answer.then(text => sendText(request, reply, text))
    sendText(request, reply, answer)
    return undefined
  }
}

function sendText(request: FastifyRequest, reply: FastifyReply, { text, etag }: KeptText): FastifyReply {
  reply.header('etag', etag)
  reply.header('cache-control', 'private, no-cache')
  if (noneMatch(request.headers['if-none-match'], etag)) return reply.code(304).send()
  return reply.header('content-type', JSON_TYPE).send(text)
}
