import type { Message } from './broker.ts'

/**
 * What every driver carries: within these limits a message goes over PostgreSQL, RabbitMQ and Kafka alike, so that changing
 * the broker never makes a message unpublishable. Sizes are bytes of UTF-8.
 */
export const limits = {
  topicBytes: 200,
  keyBytes: 512,
  messageIdBytes: 255,
  routingKeyBytes: 255,
  headerNameBytes: 200,
  headersBytes: 32 * 1024,
  bodyBytes: 1024 * 1024
} as const

/** Why no driver will ever take this message, or undefined when it is within the limits. */
export function refusal(message: Message): string | undefined {
  if (!/^[A-Za-z0-9._-]+$/.test(message.topic) || message.topic.length > limits.topicBytes)
    return `'${message.topic}' cannot name a topic`
  const headers = Object.entries(message.headers)
  if (headers.some(([name]) => name === '' || Buffer.byteLength(name) > limits.headerNameBytes))
    return 'a header name is empty or too long'
  const texts = { key: message.key, messageId: message.messageId, routingKey: message.routingKey, headers: headers.flat().join('') }
  for (const [property, text] of Object.entries(texts)) {
    if (text.includes('\0') || !text.isWellFormed()) return `${property} holds characters that cannot be carried`
    const most = limits[`${property}Bytes` as keyof typeof limits]
    if (Buffer.byteLength(text) > most) return `${property} is over ${most} bytes`
  }
  return message.body.byteLength > limits.bodyBytes ? `body is over ${limits.bodyBytes} bytes` : undefined
}
