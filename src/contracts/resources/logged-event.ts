/** The event log as others read it: every event that the Product Service has published, in the one order that they have. */
import { Type } from 'typebox'
import { inventoryEvents } from '../events/inventory-events.ts'
import { productEvents } from '../events/product-events.ts'
import { Commas, closed, Nullable, Timestamp } from './primitives.ts'

export const FEED_LIMIT_MAX = 1000

/** What can stand in the log. */
export const loggedTypes = [...productEvents, ...inventoryEvents].map(({ type }) => type)

const Position = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, format: 'int64', description })

export const EventsQuery = Type.Object(
  {
    after: Type.Optional({
      ...Position('Read what comes after this position; 0, or left out, reads from the first event on'),
      default: 0
    }),
    types: Type.Optional(
      Commas(Type.Enum(loggedTypes, { type: 'string' }), {
        maxItems: loggedTypes.length,
        description: 'Only events of these types'
      })
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: FEED_LIMIT_MAX, default: 100, description: 'How many at most on a page' })
    )
  },
  closed
)

/** What every event carries; its type says what else. */
const AnyEvent = Type.Object(
  {
    eventId: Type.String(),
    eventType: Type.String(),
    eventVersion: Type.Integer(),
    source: Type.String(),
    sequence: Type.Integer(),
    timestamp: Timestamp
  },
  {
    title: 'AnyEvent',
    additionalProperties: true,
    description:
      'Character for character what is published to the broker; its schema is at /schemas/events/{eventType}/{eventVersion}'
  }
)

const LoggedEvent = Type.Object(
  { position: Position('Its place in the log: 1, 2, 3 …, without a gap over all types'), event: AnyEvent },
  { title: 'LoggedEvent' }
)

export const EventPage = Type.Object(
  {
    data: Type.Array(LoggedEvent, { description: 'In the order of the log; may be empty though more follows' }),
    nextCursor: Nullable(
      Type.String({ description: '`position`, while there is more: ask again with it as `after`. null at the head of the log' })
    ),
    position: Position(
      'How far this page has looked: read on from it, now or later. Up to it, only events of other types are left out'
    ),
    headPosition: Position(
      'Of the newest event in the log, whatever its type: less `position`, that is how far behind this page is'
    )
  },
  { title: 'EventPage' }
)
