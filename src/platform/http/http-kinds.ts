/** Which answer belongs to which kind of handler. */
import type { Operation } from '#contracts/define.ts'
import { type Answer, answerWhole, type Edge } from './http-answers.ts'
import { answerDownload } from './http-downloads.ts'
import { answerFeed } from './http-feeds.ts'
import { answerListing } from './http-listings.ts'
import { answerUpload } from './http-uploads.ts'

export function answerOf(edge: Edge, operationId: string, operation: Operation): Answer {
  const handler = edge.handlers[operationId]
  if (!handler) throw new Error(`${operationId} has no handler`)
  switch (handler.kind) {
    case 'upload':
      return answerUpload(edge, operation, handler)
    case 'download':
      return answerDownload(edge, operation, handler)
    case 'feed':
      return answerFeed(edge, handler)
    case 'listing':
      return answerListing(edge, handler)
    default:
      return answerWhole(edge, operation, handler)
  }
}
