/** From bytes that a broker delivered to an event that a behaviour can take, in the version that it knows, or the reason why not. */
import { createHash } from 'node:crypto'
import type { Message } from '#broker/broker.ts'
import { type EventContract, versionsOf } from '#contracts/define.ts'
import type { Envelope } from '#contracts/envelope.ts'
import type { SignatureFault } from '../signing/signature-check.ts'
import { canonical } from '../text/json.ts'
import { normalizedJson } from '../text/unicode.ts'
import { contentOf } from './cloudevents.ts'
import { flatten, textOf } from './event-attributes.ts'
import { faultsOfAccepted } from './events.ts'
import { upcast } from './upcast.ts'

export type Decoded =
  | {
      kind: 'event'
      /** The newest version that the consumer knows; the event is in it, whatever version it was sent in. */
      contract: EventContract
      event: Envelope & Record<string, unknown>
      source: string
      /** By which it is deduplicated: one for all versions in which the same event was published. */
      eventId: string
      type: string
      key: string
    }
  | { kind: 'ignored'; type: string }
  | {
      kind: 'invalid'
      reason: 'undecodable' | 'schema-invalid' | 'unknown-version' | SignatureFault
      error: string
      source: string
      eventId: string
      /** Its place in the inbox, where that is not to be the one of its id. */
      inboxId?: string
      type: string | null
      key: string
    }

/** What a consumer knows, prepared once: the newest version of each event by its type. */
export type KnownEvents = ReadonlyMap<string, EventContract>

export function knownEvents(contracts: readonly EventContract[]): KnownEvents {
  return new Map(contracts.toReversed().map(contract => [contract.type, contract]))
}

/**
 * Decodes a message for a consumer: plain, or a CloudEvent in either mode, whose attributes stand in for what the body does not say.
 * An event without an id is known by its content, so that the plain JSON of the specification's examples is deduplicated too.
 */
export function decode(message: Message, known: KnownEvents): Decoded {
  const { data, attributes, fault } = contentOf(message)
  const body = fault === undefined ? parsed(data) : undefined
  const source = (textOf(body?.source) ?? textOf(attributes.source) ?? message.topic).slice(0, SOURCE_MAX)
  const partitionKey = attributes.partitionkey ?? ''
  if (!body) {
    const error = fault ?? 'the body is not a JSON object in UTF-8'
    return { kind: 'invalid', reason: 'undecodable', error, source, eventId: byContent(data), type: null, key: partitionKey }
  }
  const { type, version, whole, contradiction } = flatten(body, attributes, known.keys())
  const contract = type === undefined ? undefined : known.get(type)
  if (type !== undefined && !contract) return { kind: 'ignored', type }
  const eventId = idOf(whole, data)
  const key = textOf(contract && body[contract.key]) ?? partitionKey
  const invalid = (error: string, reason: 'schema-invalid' | 'unknown-version' = 'schema-invalid'): Decoded => {
    return { kind: 'invalid', reason, error, source, eventId, type: type ?? null, key }
  }
  if (!contract) return invalid(typeIsMissing(body))
  if (contradiction) return invalid(contradiction)
  const versions = versionsOf(contract)
  const sent = versions.find(each => each.version === version)
  if (!sent && Number.isInteger(version)) {
    // It is published in older versions too, and one of them is for us.
    if (Number(version) > contract.version && textOf(whole.sameAs)) return { kind: 'ignored', type: contract.type }
    return invalid(
      `version ${version} of ${type} is not read here, only ${versions.map(each => each.version).join(', ')}`,
      'unknown-version'
    )
  }
  const faults = faultsOfAccepted(sent ?? contract, whole)
  if (faults || !sent) return invalid(faults ?? 'the eventVersion is no number')
  const event = { eventVersion: sent.version, sequence: 1, eventId, ...whole, source } as Envelope & Record<string, unknown>
  const current = upcast(contract, sent, event)
  if ('fault' in current) return invalid(current.fault)
  return { kind: 'event', contract, event: current.event, source, eventId, type: contract.type, key }
}

/** Longer ones are refused by the schema, and would not fit into the inbox either. */
const SOURCE_MAX = 200
const EVENT_ID_MAX = 100

function idOf(whole: Readonly<Record<string, unknown>>, bytes: Uint8Array): string {
  const given = textOf(whole.sameAs) ?? textOf(whole.eventId)
  return given && given.length <= EVENT_ID_MAX ? given : byContent(sameText(whole, bytes))
}

function typeIsMissing(body: Readonly<Record<string, unknown>>): string {
  const looksStructured = typeof body.specversion === 'string' && 'data' in body
  return `/eventType is missing${looksStructured ? '; a CloudEvent in structured mode has the content type application/cloudevents+json' : ''}`
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

function parsed(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    const text = strictUtf8.decode(body)
    const value = normalizedJson(JSON.parse(text), text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The same for the same value; the bytes as they are when it nests too deep to be written out. */
function sameText(body: Readonly<Record<string, unknown>>, bytes: Uint8Array): string | Uint8Array {
  try {
    return canonical(body)
  } catch {
    return bytes
  }
}

function byContent(content: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}
