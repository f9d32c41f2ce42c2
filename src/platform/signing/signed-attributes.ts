/**
 * What travels beside a signed body is not signed: so it may say only what the body says too. Unsigned events are looser (see
 * event-attributes.ts), where attributes stand in for what a body leaves out.
 */
import { type EventContract, versionsOf } from '#contracts/define.ts'
import { routingKey, subjectOf } from '#contracts/envelope.ts'
import { isOurs } from '#contracts/event-schema.ts'
import type { Content } from '../messaging/cloudevents.ts'

/** The contract is of the newest version that is known of the event, if it is known at all. */
export type Signed = Content & { topic: string; key: string; contract: EventContract | undefined }

/** Where attributes, topic or key say what the signed body does not, or undefined. */
export function disagreement({ data, attributes, topic, key, contract }: Signed): string | undefined {
  const body = JSON.parse(Buffer.from(data).toString()) as Record<string, unknown>
  const { id, source, type, time, sequence, subject, partitionkey, dataschema } = attributes
  const version = Number(body.eventVersion ?? 1)
  const names = [String(body.eventType), routingKey({ type: String(body.eventType), version })]
  const sent = contract && versionsOf(contract).find(each => each.version === version)
  const keyInBody = contract && String(body[contract.key])
  const schema = /\/schemas\/events\/([^/]+)\/([^/]+)$/.exec(dataschema ?? '')

  const checks: [what: string, agrees: boolean][] = [
    ['topic', contract === undefined || contract.topic === topic],
    ['id', id === undefined || id === body.eventId],
    ['source', source === undefined || body.source === undefined || source === body.source],
    ['type', type === undefined || names.some(name => type === name || type.endsWith(`.${name}`))],
    ['time', time === undefined || sameInstant(time, body.timestamp)],
    ['sequence', sequence === undefined || (/^[0-9]+$/.test(sequence) && Number(sequence) === body.sequence)],
    ['subject', subject === undefined || !sent || !isOurs(sent) || subject === subjectOf(sent, body)],
    ['partitionkey', partitionkey === undefined || keyInBody === undefined || partitionkey === keyInBody],
    ['key', partitionkey === undefined || keyInBody === undefined || key === '' || key === keyInBody],
    ['dataschema', schema === null || (schema[1] === body.eventType && schema[2] === String(version))]
  ]
  const wrong = checks.filter(([, agrees]) => !agrees).map(([what]) => what)
  return wrong.length > 0 ? `beside the signed body stands what it does not say: ${wrong.join(', ')}` : undefined
}

function sameInstant(time: string, timestamp: unknown): boolean {
  return typeof timestamp === 'string' && Date.parse(time) === Date.parse(timestamp)
}
