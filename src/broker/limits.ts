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
  const { topic, key, messageId, routingKey, headers, body } = message
  if (topic.length > limits.topicBytes || !topicPattern.test(topic)) return `'${topic}' cannot name a topic`
  let all = ''
  for (const name in headers) {
    if (name === '' || isOver(name, limits.headerNameBytes)) return 'a header name is empty or too long'
    all += name + headers[name]
  }
  const fault =
    faultOf('key', key) ?? faultOf('messageId', messageId) ?? faultOf('routingKey', routingKey) ?? faultOf('headers', all)
  return fault ?? (body.byteLength > limits.bodyBytes ? `body is over ${limits.bodyBytes} bytes` : undefined)
}

const topicPattern = /^[A-Za-z0-9._-]+$/

function faultOf(property: 'key' | 'messageId' | 'routingKey' | 'headers', text: string): string | undefined {
  if (text.includes('\0') || !text.isWellFormed()) return `${property} holds characters that cannot be carried`
  const most = limits[`${property}Bytes`]
  return isOver(text, most) ? `${property} is over ${most} bytes` : undefined
}

/** No character has more than three bytes in UTF-8 for each unit of its length: most texts need not be measured. */
function isOver(text: string, bytes: number): boolean {
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes
}
