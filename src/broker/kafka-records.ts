/** Messages as Kafka's records, and back. */
import type { Delivery, Message } from './broker.ts'

/** What Kafka stores: bytes with bytes as key and headers. A foreign record may lack its key or its value. */
export type KafkaRecord = {
  key: Buffer | null
  value: Buffer | null
  headers: readonly (readonly [Buffer | null, Buffer | null])[]
}

/** Where the id and the routing key travel when no CloudEvents attribute says the same; taken off on arrival. */
const OWN = { messageId: 'broker-message-id', routingKey: 'broker-routing-key' } as const

/** The headers of a message on the wire. */
export function headersOf(message: Message, more: Readonly<Record<string, string>> = {}): Map<Buffer, Buffer> {
  const { headers, messageId, routingKey } = message
  const all: Record<string, string> = { ...headers, ...more }
  if (headers.ce_id !== messageId) all[OWN.messageId] = messageId
  if (headers.ce_type !== routingKey) all[OWN.routingKey] = routingKey
  const wire = new Map<Buffer, Buffer>()
  for (const name in all) wire.set(bytesOf(name), Buffer.from(all[name]!))
  return wire
}

const NAMES_MAX = 1_000
const names = new Map<string, Buffer>()

/** Header names are few, and the same in every message. */
function bytesOf(name: string): Buffer {
  let bytes = names.get(name)
  if (!bytes) {
    bytes = Buffer.from(name)
    if (names.size < NAMES_MAX) names.set(name, bytes)
  }
  return bytes
}

/** A record as it arrives. Of headers with one name the last one counts, as it does for Kafka's own clients. */
export function toDelivery(topic: string, partition: number, offset: number, record: KafkaRecord): Delivery {
  const named: Record<string, string> = {}
  for (const [name, value] of record.headers) if (name?.length) named[name.toString()] = value?.toString() ?? ''
  const { [OWN.messageId]: messageId, [OWN.routingKey]: routingKey, ...headers } = named
  return {
    topic,
    key: record.key?.toString() ?? '',
    messageId: messageId ?? headers.ce_id ?? '',
    routingKey: routingKey ?? headers.ce_type ?? '',
    headers,
    body: record.value ?? new Uint8Array(),
    position: `${topic}/${partition}@${offset}`
  }
}

/** About how many bytes a message takes in a batch. */
export function sizeOf(message: Message): number {
  let size = 64 + message.key.length * 3 + message.messageId.length + message.routingKey.length + message.body.byteLength
  for (const name in message.headers) size += 8 + name.length + message.headers[name]!.length * 3
  return size
}
