/** What is wrong with an endpoint that somebody asks for, beyond its shape; and whether its owner may read what it is to be sent. */

import { events } from '#contracts/catalogue.ts'
import { EVERY_TYPE } from '#contracts/define.ts'
import { publishedEvent } from '#contracts/envelope.ts'
import type { Fault } from '#contracts/problems.ts'
import { loggedTypes } from '#contracts/resources/logged-event.ts'
import { destinationOf } from '#platform/egress/destination.ts'
import type { EventReader } from '#platform/messaging/event-permissions.ts'
import { invalid } from '#platform/text/validation.ts'
import type { WebhookFilter } from './webhook-filter.ts'
import type { WebhookTerms } from './webhook-terms.ts'

type Asked = { url: string; eventTypes: readonly string[]; filter: WebhookFilter | null }

/** Gives back the address in its normal form. Throws `invalid-request` with every fault, and `event-type-not-permitted`. */
export function checkAsked({ url, eventTypes, filter }: Asked, owner: EventReader, { rules, permissions }: WebhookTerms): string {
  const destination = destinationOf(url, rules)
  const isEvery = eventTypes.includes(EVERY_TYPE)
  const types = isEvery ? loggedTypes : eventTypes
  const faults: Fault[] = [
    ...('fault' in destination ? [{ pointer: '#/url', code: 'destination', detail: destination.fault }] : []),
    ...(isEvery && eventTypes.length > 1
      ? [{ pointer: '#/eventTypes', code: 'every-type', detail: `must have no types beside ${EVERY_TYPE}, which is all of them` }]
      : []),
    ...Object.keys(filter ?? {})
      .filter(name => !types.some(type => propertiesOf(type).has(name)))
      .map(name => ({ pointer: `#/filter/${name}`, code: 'unknown-property', detail: 'is no property of these events' }))
  ]
  if (faults.length > 0 || 'fault' in destination) throw invalid(faults)
  permissions.narrow(isEvery ? null : eventTypes, owner)
  return destination.url.href
}

/** Of every version that there is. */
function propertiesOf(type: string): ReadonlySet<string> {
  return new Set(events.filter(event => event.type === type).flatMap(event => Object.keys(publishedEvent(event).properties)))
}
