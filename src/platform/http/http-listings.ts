/** Pages of stored documents: the same question within a second gets the same text, unless something changed. */
import type { Operation } from '#contracts/define.ts'
import type { Asked, Handler } from './handlers.ts'
import { type Answer, type Edge, sendText } from './http-answers.ts'

type ListingHandler = Extract<Handler, { kind: 'listing' }>

export function answerListing(edge: Edge, { run }: ListingHandler): Answer {
  return (request, reply) => {
    const { params, query } = request as unknown as Asked<Operation>
    const answer = edge.listings.get(request.url, () => run(edge, { params, query }))
    if (answer instanceof Promise) return answer.then(({ etag, text }) => sendText(request, reply, etag, text))
    sendText(request, reply, answer.etag, answer.text)
    return undefined
  }
}
