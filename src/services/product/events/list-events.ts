import type { feedOperations } from '#contracts/http/product-feed.ts'
import type { Input } from '#platform/http/handlers.ts'
import type { FeedQuestion } from '#platform/messaging/event-feed.ts'

type Query = Input<typeof feedOperations.listEvents>['query']

/** What of the log is asked for. The edge answers of that what the client may read: see `narrow` in event-permissions.ts. */
export function listEvents({ query }: { query: Query }): FeedQuestion & { limit: number } {
  const { after = 0, types = null, limit = 100 } = query
  return { after, types, limit }
}
