/** From bytes that a broker delivered to an event that a behaviour can take, or the reason why not. */
import { createHash } from 'node:crypto'
import type { Message } from '#broker/broker.ts'
import type { EventContract } from '#contracts/define.ts'
import type { Envelope } from '#contracts/envelope.ts'
import { faultsOfAccepted } from './events.ts'
import { canonical } from './json.ts'

export type Decoded =
  | {
      kind: 'event'
      contract: EventContract
      event: Envelope & Record<string, unknown>
      source: string
      eventId: string
      type: string
    }
  | { kind: 'ignored'; type: string }
  | {
      kind: 'invalid'
      reason: 'undecodable' | 'schema-invalid'
      error: string
      source: string
      eventId: string
      type: string | null
    }

/**
 * Decodes a message for a consumer of `contracts`. An event without `eventId` is known by its content, so that the plain
 * JSON of the specification's examples is deduplicated too. A version newer than ours is read as ours: versions that differ have
 * names of their own.
 */
export function decode(message: Message, contracts: readonly EventContract[]): Decoded {
  const body = parsed(message.body)
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
  const source = (text(body?.source) ?? text(message.headers.ce_source) ?? message.topic).slice(0, SOURCE_MAX)
  if (!body) {
    return {
      kind: 'invalid',
      reason: 'undecodable',
      error: 'the body is not a JSON object in UTF-8',
      source,
      eventId: byContent(message.body),
      type: null
    }
  }
  const type = text(body.eventType)
  if (!type) {
    return {
      kind: 'invalid',
      reason: 'schema-invalid',
      error: '/eventType is missing',
      source,
      eventId: byContent(sameText(body, message.body)),
      type: null
    }
  }
  const contract = contracts.find(contract => contract.type === type)
  if (!contract) return { kind: 'ignored', type }
  const given = text(body.eventId)
  const eventId = given && given.length <= EVENT_ID_MAX ? given : byContent(sameText(body, message.body))
  const error = faultsOfAccepted(contract, body)
  if (error) return { kind: 'invalid', reason: 'schema-invalid', error, source, eventId, type }
  const event = { eventVersion: contract.version, sequence: 1, ...body, source, eventId } as Envelope & Record<string, unknown>
  return { kind: 'event', contract, event, source, eventId, type }
}

/** Longer ones are refused by the schema, and would not fit into the inbox either. */
const SOURCE_MAX = 200
const EVENT_ID_MAX = 100

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

function parsed(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(strictUtf8.decode(body))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The same for the same value; the bytes as they are when it nests too deep to be written out. */
function sameText(body: Record<string, unknown>, bytes: Uint8Array): string | Uint8Array {
  try {
    return canonical(body)
  } catch {
    return bytes
  }
}

function byContent(content: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}
