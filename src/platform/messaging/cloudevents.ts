/**
 * Events as CloudEvents 1.0. We publish in binary mode: the body is the flat JSON object, the attributes are headers. We read both
 * modes: in structured mode the body is an envelope around the flat object. Drivers carry the attributes as neutral `ce_*` headers.
 */
import type { Message } from '#broker/broker.ts'
import { routingKey } from '#contracts/envelope.ts'
import { eventSchemaPath } from '#contracts/event-schema.ts'
import type { LoggedEvent } from './event-log.ts'
import { memberText } from './json-member.ts'

/** An event as its message in binary mode. Its schema is served at `baseUrl`: CloudEvents asks for an absolute URI. */
export function toMessage(event: LoggedEvent, source: string, baseUrl = ''): Message {
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
      ce_time: timestampOf(event.body) ?? event.logged_at,
      ce_dataschema: baseUrl + eventSchemaPath(event),
      ce_partitionkey: event.key,
      // Compared as text by CloudEvents' sequence extension, hence the zeros.
      ce_sequence: String(event.sequence).padStart(20, '0'),
      ...(event.traceparent ? { ce_traceparent: event.traceparent, traceparent: event.traceparent } : {})
    },
    body: Buffer.from(event.body)
  }
}

/** The envelope comes first in what we publish: nothing has to be parsed to find its timestamp. */
function timestampOf(body: string): string | undefined {
  return /"timestamp":"([^"\\]+)"/.exec(body.slice(0, 1024))?.[1]
}

/** What a message carries, whatever the mode. */
export type Content = {
  /** The event's own bytes, exactly as they came: what is parsed, and what a signature is over. */
  data: Uint8Array
  /** CloudEvents attributes and extensions by name, without prefix; empty for a plain message. */
  attributes: Readonly<Record<string, string>>
  /** Why it is no message that can be read. */
  fault?: string
}

/** Takes a message apart: binary mode, structured mode, or a plain body without any attribute. */
export function contentOf(message: Pick<Message, 'headers' | 'body'>): Content {
  const type = contentTypeOf(message.headers)
  if (!type.startsWith('application/cloudevents'))
    return supported({ data: message.body, attributes: attributesIn(message.headers) })
  const refused = (fault: string): Content => ({ data: message.body, attributes: {}, fault })
  if (type.startsWith('application/cloudevents-batch'))
    return refused('a batch of CloudEvents is not read: send a message for each')
  const format = /^application\/cloudevents(?:\+([\w.-]+))?$/.exec(type)
  if (!format || (format[1] ?? 'json') !== 'json') return refused(`${type} is not read: CloudEvents are JSON here`)
  return supported(structured(message.body) ?? refused('the body is not a CloudEvent in JSON'))
}

function supported(content: Content): Content {
  const { specversion } = content.attributes
  if (specversion === undefined || specversion.startsWith('1.')) return content
  return { ...content, fault: `CloudEvents ${specversion.slice(0, 20)} is not read, only 1.0` }
}

/** The media type alone, in lower case; header names are compared whatever their case. */
function contentTypeOf(headers: Message['headers']): string {
  const name = Object.keys(headers).find(name => name.toLowerCase() === 'content-type')
  return (name ? headers[name]! : '').split(';')[0]!.trim().toLowerCase()
}

function attributesIn(headers: Message['headers']): Record<string, string> {
  const named = Object.entries(headers).filter(([name]) => name.startsWith('ce_'))
  return Object.fromEntries(named.map(([name, value]) => [name.slice(3), value]))
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

function structured(bytes: Uint8Array): Content | undefined {
  let text: string
  let members: unknown
  try {
    text = strictUtf8.decode(bytes)
    members = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof members !== 'object' || members === null || Array.isArray(members)) return undefined
  const { data, data_base64, ...others } = members as Record<string, unknown>
  const given = Object.entries(others).filter(([, value]) => value !== null)
  const attributes = Object.fromEntries(given.filter(isAttribute).map(([name, value]) => [name, String(value)]))
  const refused = (fault: string): Content => ({ data: bytes, attributes, fault })
  const unreadable = given.find(entry => !isAttribute(entry))
  if (unreadable) return refused(`the attribute ${unreadable[0].slice(0, 50)} is neither text, number nor boolean`)
  if (attributes.specversion === undefined) return refused('the attribute specversion is missing')
  const type = attributes.datacontenttype
  if (type !== undefined && !jsonType.test(type)) return refused(`the datacontenttype ${type.slice(0, 100)} is not JSON`)
  if (data !== undefined && data_base64 !== undefined) return refused('there is both data and data_base64')
  if (data !== undefined) return { data: Buffer.from(memberText(text, 'data')!), attributes }
  if (typeof data_base64 !== 'string') return refused('there is neither data nor data_base64')
  if (!base64.test(data_base64)) return refused('data_base64 is not base64')
  return { data: Buffer.from(data_base64, 'base64'), attributes }
}

const jsonType = /^[\w.-]+\/(?:[\w.-]+\+)?json *(?:;|$)/i
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const isAttribute = ([, value]: [string, unknown]) => ['string', 'number', 'boolean'].includes(typeof value)
