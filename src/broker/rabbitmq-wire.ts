/**
 * A message as it travels over AMQP 0-9-1: CloudEvents attributes as `cloudEvents_*` headers beside the native properties, and back.
 * What we send arrives as it was; what others send is read as kindly as it can be.
 */
import type { ConsumeMessage, Options } from 'amqplib'
import type { Delivery, Message } from './broker.ts'

/** The partition key, where no CloudEvents attribute says it. */
const KEY = 'x-partition-key'
const ATTRIBUTE = 'cloudEvents_'
/** Stands before the names that would mean something else on the wire, so that any header goes through. */
const ESCAPE = 'x-header-'
/** What RabbitMQ adds to the headers of a message. */
const brokers = /^x-(?:delivery-count|acquired-count|death|(?:first|last)-death-.*)$/
/** CC and BCC are routing keys to RabbitMQ. */
const meaning = /^(?:CC|BCC|__proto__|cloudEvents[_:].*|x-partition-key|x-header-.*)$/s
/** Longest text of a native property, in bytes. */
const SHORT = 255

export function toProperties({ headers, key, messageId }: Message): Options.Publish {
  const wire: Record<string, string> = {}
  const properties: Options.Publish = { headers: wire, persistent: true, mandatory: true }
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'content-type' && isShort(value)) properties.contentType = value
    else if (name.startsWith('ce_')) wire[ATTRIBUTE + name.slice(3)] = value
    else if (meaning.test(name) || brokers.test(name)) wire[ESCAPE + name] = value
    else wire[name] = value
  }
  const { ce_type: type, ce_source: source, ce_time: time, ce_partitionkey: partitionKey = '' } = headers
  if (key !== partitionKey) wire[KEY] = key
  if (messageId !== '') properties.messageId = messageId
  if (type && isShort(type)) properties.type = type
  if (source && isShort(source)) properties.appId = source
  const milliseconds = time ? Date.parse(time) : Number.NaN
  if (milliseconds >= 0) properties.timestamp = Math.floor(milliseconds / 1000)
  return properties
}

export function toDelivery({ fields, properties, content }: ConsumeMessage, group: string, topics: readonly string[]): Delivery {
  const wire: Record<string, unknown> = properties.headers ?? {}
  const headers: Record<string, string> = {}
  if (properties.contentType) headers['content-type'] = properties.contentType
  let key: string | undefined
  for (const name in wire) {
    const value = wire[name]
    const text = typeof value === 'string' ? value : textOf(value)
    if (name.startsWith(ATTRIBUTE) || name.startsWith('cloudEvents:')) headers[`ce_${name.slice(ATTRIBUTE.length)}`] = text
    else if (name === KEY) key = text
    else if (name.startsWith(ESCAPE)) define(headers, name.slice(ESCAPE.length), text)
    else if (!brokers.test(name)) headers[name] = text
  }
  const { topic, routingKey } = fields.exchange
    ? { topic: fields.exchange, routingKey: fields.routingKey }
    : originOf(wire, fields, topics)
  return {
    topic,
    key: key ?? headers.ce_partitionkey ?? '',
    messageId: textOf(properties.messageId ?? ''),
    routingKey,
    headers,
    body: content,
    position: `${topic}@${group}/${fields.deliveryTag}`
  }
}

/** Of a message that somebody put into the queue itself: a dead letter says where it came from, of others the first topic is assumed. */
function originOf(wire: Record<string, unknown>, { routingKey }: { routingKey: string }, topics: readonly string[]) {
  const [death] = Array.isArray(wire['x-death']) ? wire['x-death'] : []
  const keys = death?.['routing-keys']
  return {
    topic: textOf(wire['x-first-death-exchange'] ?? topics[0]),
    routingKey: Array.isArray(keys) && typeof keys[0] === 'string' ? keys[0] : routingKey
  }
}

function define(headers: Record<string, string>, name: string, value: string): void {
  Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true })
}

/** A header of any type that AMQP has, as text. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return ''
  if (Buffer.isBuffer(value)) return value.toString()
  if (typeof value !== 'object') return String(value)
  const { '!': type, value: seconds } = value as { '!'?: string; value?: unknown }
  if (type === 'timestamp') {
    const date = new Date(Number(seconds) * 1000)
    return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString()
  }
  return JSON.stringify(value)
}

function isShort(text: string): boolean {
  return text.length <= SHORT && (text.length * 3 <= SHORT || Buffer.byteLength(text) <= SHORT)
}
