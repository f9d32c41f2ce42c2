/** The CloudEvents 1.0 attributes of an event, as headers in binary mode; the body stays the flat JSON object. */
import type { Message } from '#broker/broker.ts'
import { routingKey } from '#contracts/envelope.ts'
import type { LoggedEvent } from './event-log.ts'

export function toMessage(event: LoggedEvent, source: string): Message {
  const type = routingKey(event)
  return {
    topic: event.topic,
    key: event.key,
    messageId: event.event_id,
    routingKey: type,
    headers: {
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: event.event_id,
      ce_source: source,
      ce_type: type,
      ce_subject: event.subject,
      ce_time: event.logged_at,
      ce_dataschema: `/schemas/events/${event.type}/${event.version}`,
      ce_partitionkey: event.key,
      // Compared as text by CloudEvents' sequence extension, hence the zeros.
      ce_sequence: String(event.sequence).padStart(20, '0'),
      ...(event.traceparent ? { ce_traceparent: event.traceparent, traceparent: event.traceparent } : {})
    },
    body: Buffer.from(event.body)
  }
}
