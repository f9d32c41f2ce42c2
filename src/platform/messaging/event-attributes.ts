/** What a CloudEvent's attributes say in place of the envelope in our flat body, and where the two contradict each other. */
import { routingKey } from '#contracts/envelope.ts'

type Body = Readonly<Record<string, unknown>>
type Attributes = Readonly<Record<string, string>>

export type Flat = {
  /** What it is called; undefined when nobody says. */
  type: string | undefined
  /** As it was said, by the body or else by the attributes; 1 when nobody says. */
  version: unknown
  /** The body, with what it leaves to the attributes. */
  whole: Body
  /** What the attributes say otherwise than the body. */
  contradiction: string | undefined
}

/** One flat event of a body and the attributes beside it. `types` are the events that somebody here reacts to. */
export function flatten(body: Body, attributes: Attributes, types: Iterable<string>): Flat {
  const version = body.eventVersion ?? versionIn(attributes.type) ?? 1
  const type = textOf(body.eventType) ?? typeIn(attributes.type, types)
  const { id, time, sequence } = attributes
  const spoken = {
    ...(attributes.type ? { eventType: type, eventVersion: version } : {}),
    ...(id ? { eventId: id } : {}),
    ...(time ? { timestamp: time } : {}),
    ...(numberIn(sequence) ? { sequence: numberIn(sequence) } : {})
  }
  return { type, version, whole: { ...spoken, ...body }, contradiction: contradiction(body, attributes, version) }
}

/** Text with something in it. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function contradiction(body: Body, attributes: Attributes, version: unknown): string | undefined {
  const { id, source, type } = attributes
  const sequence = numberIn(attributes.sequence)
  const names = namesOf(String(body.eventType), version)
  const differing = [
    ...(id !== undefined && body.eventId !== undefined && id !== body.eventId ? [['id', id, 'eventId']] : []),
    ...(source !== undefined && body.source !== undefined && source !== body.source ? [['source', source, 'source']] : []),
    ...(type !== undefined && body.eventType !== undefined && !names.some(name => endsIn(type, name))
      ? [['type', type, 'eventType']]
      : []),
    ...(sequence !== undefined && body.sequence !== undefined && sequence !== body.sequence
      ? [['sequence', sequence, 'sequence']]
      : [])
  ] as [attribute: string, says: unknown, property: string][]
  const told = differing.map(
    ([attribute, says, property]) =>
      `the attribute ${attribute} is ${shown(says)}, the body's ${property} is ${shown(body[property])}`
  )
  return told.length > 0 ? told.join('; ') : undefined
}

/** `OrderCreated` is `order.created.v1`, `OrderCreated.v1`, or either without its version; behind any reversed domain name. */
function namesOf(type: string, version: unknown): string[] {
  const name = routingKey({ type, version: 1 }).slice(0, -'.v1'.length)
  return [`${name}.v${version}`, `${type}.v${version}`, name, type]
}

/** What somebody reacts to under this name, or else the name itself. */
function typeIn(named: string | undefined, types: Iterable<string>): string | undefined {
  if (!named) return undefined
  const version = versionIn(named) ?? 1
  for (const type of types) if (namesOf(type, version).some(name => endsIn(named, name))) return type
  return named
}

function versionIn(named: string | undefined): number | undefined {
  const found = /\.v([1-9][0-9]{0,8})$/.exec(named ?? '')
  return found ? Number(found[1]) : undefined
}

/** CloudEvents' sequence is any text; one that counts is ours. */
function numberIn(sequence: string | undefined): number | undefined {
  const value = /^[0-9]+$/.test(sequence ?? '') ? Number(sequence) : 0
  return value >= 1 && Number.isSafeInteger(value) ? value : undefined
}

const endsIn = (text: string, name: string) => text === name || text.endsWith(`.${name}`)
const shown = (value: unknown) => String(JSON.stringify(value)).slice(0, 100)
