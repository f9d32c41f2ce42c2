/** A collector of traces, as OpenTelemetry's own takes them: OTLP as protobuf over HTTP, read by the numbers of its definition. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'

export type CollectedSpan = {
  service: string
  name: string
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
  traceId: string
  spanId: string
  parentSpanId: string
  attributes: Record<string, string | number | boolean>
  links: { traceId: string; spanId: string }[]
  failed: boolean
}

export interface Collector extends AsyncDisposable {
  /** What OTEL_EXPORTER_OTLP_ENDPOINT is to be. */
  readonly url: string
  readonly spans: CollectedSpan[]
  /** The headers of each request. */
  readonly requests: IncomingHttpHeaders[]
  /** What was sent, as it came. */
  readonly bodies: Buffer[]
  /** How requests are answered from now on; `hang` does not. */
  answer: number | 'hang'
}

export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const requests: IncomingHttpHeaders[] = []
  const bodies: Buffer[] = []
  const server = createServer(async (request, response) => {
    requests.push(request.headers)
    const sent = await buffer(request)
    if (collector.answer === 'hang') return
    if (collector.answer === 200 && request.url === '/v1/traces') {
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
      bodies.push(body)
      spans.push(...spansOf(body))
    }
    response.writeHead(request.url === '/v1/traces' ? collector.answer : 404, { 'content-type': 'application/x-protobuf' }).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    bodies,
    answer: 200,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
  return collector
}

const kinds = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const

function spansOf(request: Buffer): CollectedSpan[] {
  return messages(request, 1).flatMap(resourceSpans => {
    const resource = attributesOf(messages(resourceSpans, 1)[0]!, 1)
    return messages(resourceSpans, 2)
      .flatMap(scopeSpans => messages(scopeSpans, 2))
      .map(span => ({
        service: String(resource['service.name']),
        name: texts(span, 5)[0]!,
        kind: kinds[numbers(span, 6)[0] ?? 0]!,
        traceId: hex(span, 1),
        spanId: hex(span, 2),
        parentSpanId: hex(span, 4),
        attributes: attributesOf(span, 9),
        links: messages(span, 13).map(link => ({ traceId: hex(link, 1), spanId: hex(link, 2) })),
        failed: messages(span, 15).some(status => numbers(status, 3)[0] === 2)
      }))
  })
}

function attributesOf(message: Buffer, field: number): CollectedSpan['attributes'] {
  return Object.fromEntries(
    messages(message, field).map(pair => {
      const [value] = messages(pair, 2)
      const [text] = texts(value!, 1)
      const [truth] = numbers(value!, 2)
      return [texts(pair, 1)[0]!, text ?? (truth === undefined ? (numbers(value!, 3)[0] ?? 0) : truth === 1)]
    })
  )
}

const messages = (message: Buffer, field: number) => fields(message, field).filter(value => typeof value !== 'number')
const texts = (message: Buffer, field: number) => messages(message, field).map(bytes => bytes.toString())
const hex = (message: Buffer, field: number) => messages(message, field)[0]?.toString('hex') ?? ''
const numbers = (message: Buffer, field: number) => fields(message, field).filter(value => typeof value === 'number')

/** The values of a field, in their order: see https://protobuf.dev/programming-guides/encoding. */
function fields(message: Buffer, wanted: number): (Buffer | number)[] {
  const found: (Buffer | number)[] = []
  let at = 0
  const varint = () => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++]!
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const tag = varint()
    const wire = tag & 7
    const length = wire === 2 ? varint() : wire === 1 ? 8 : wire === 5 ? 4 : 0
    const value = wire === 0 ? varint() : message.subarray(at, at + length)
    at += length
    if (tag >> 3 === wanted) found.push(value)
  }
  return found
}
