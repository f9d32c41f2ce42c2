/** The events of the Product Service for whoever would rather ask than have a broker: in pages, or as they happen. */
import type { Operation } from '../define.ts'
import { EventPage, EventsQuery } from '../resources/logged-event.ts'

const description = `The log holds every published event with a gapless position, for as long as EVENT_LOG_RETENTION_DAYS says. Whoever keeps the
position of the last event that took effect reads each exactly once, in order. A page ends early at some megabytes, and with \`types\` after
looking at some 20,000 events: go by \`nextCursor\`, not by how many came.

With \`Accept: text/event-stream\` the events follow as they happen, without an end: \`id\` is the position, \`event\` the type, \`data\` the body.
\`Last-Event-ID\` resumes without a gap and stands before \`after\`; \`limit\` says nothing. At least every 15 seconds there is a comment and
an \`id\` without an event: how far the log was looked through. \`event: end\` says why the stream ends: \`token-expired\`,
\`credentials-ended\` (an API key taken back, a user who may no longer), \`shutting-down\` or \`unavailable\`.`

export const feedOperations = {
  listEvents: {
    method: 'GET',
    path: '/v1/events',
    tag: 'Events',
    summary: 'Read published events after a position, or follow them live',
    description,
    scope: 'events:read',
    query: EventsQuery,
    reply: {
      status: 200,
      body: EventPage,
      stream: 'text/event-stream',
      description: 'A page of events, or all of them from there on'
    },
    problems: ['position-gone', 'event-type-not-permitted']
  }
} as const satisfies Record<string, Operation>
