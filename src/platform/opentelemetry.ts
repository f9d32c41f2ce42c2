/**
 * The only door to OpenTelemetry: spans as OTLP (protobuf over HTTP) to a collector. Loaded only where one is configured. A collector that
 * is away costs spans, never requests or memory: what waits is bounded, what is over it is dropped and counted.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Attributes as OtelAttributes, ROOT_CONTEXT, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider
} from '@opentelemetry/sdk-trace'
import type { Config } from './config.ts'
import type { Log } from './log.ts'
import { exportedSpans } from './telemetry.ts'
import { exportSpans, parseTraceparent, type Span, type SpanOptions } from './trace.ts'

const WAITING_MAX = 4096
const BATCH = 512
const EXPORT_EVERY_MS = 1000
const EXPORT_TIMEOUT_MS = 3000
/** A relay sends up to 500 events at once, each of which it links to. */
const LINKS_MAX = 512

export type TracingConfig = Pick<
  Config,
  'OTEL_EXPORTER_OTLP_ENDPOINT' | 'OTEL_EXPORTER_OTLP_HEADERS' | 'OTEL_RESOURCE_ATTRIBUTES' | 'OTEL_TRACES_SAMPLER_ARG'
>

/** Exports the spans of this process until disposed; disposing sends what waits, for three seconds at most. */
export function startTracing(config: TracingConfig, log: Log): AsyncDisposable {
  const url = `${config.OTEL_EXPORTER_OTLP_ENDPOINT!.replace(/\/$/, '')}/v1/traces`
  const headers = keyValues(config.OTEL_EXPORTER_OTLP_HEADERS)
  const exporter = new OTLPTraceExporter({ url, headers, timeoutMillis: EXPORT_TIMEOUT_MS, concurrencyLimit: 4 })
  const processor = bounded(exporter, log)
  const sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(config.OTEL_TRACES_SAMPLER_ARG) })
  const instance = { 'service.instance.id': randomUUID(), ...keyValues(config.OTEL_RESOURCE_ATTRIBUTES) }
  const tracers = new Map<string, Tracer>()

  /** A process may run several services; a collector tells them apart by their resource. */
  function tracerOf(service: string): Tracer {
    let tracer = tracers.get(service)
    if (!tracer) {
      const resource = resourceFromAttributes({ 'service.name': service, ...instance })
      const provider = new TracerProvider({
        resource,
        sampler,
        spanProcessors: [processor],
        spanLimits: { linkCountLimit: LINKS_MAX, attributeValueLengthLimit: 500 }
      })
      tracer = provider.getTracer('product-service')
      tracers.set(service, tracer)
    }
    return tracer
  }

  const exporting = exportSpans((name, options) => openSpan(tracerOf(options.service), name, options))
  return {
    async [Symbol.asyncDispose]() {
      exporting[Symbol.dispose]()
      await Promise.race([processor.shutdown().catch(() => {}), delay(EXPORT_TIMEOUT_MS, undefined, { ref: false })])
    }
  }
}

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER }

function openSpan(tracer: Tracer, name: string, { service, kind, attributes, parent, links = [] }: SpanOptions): Span {
  const parentContext = contextOf(parent)
  const span = tracer.startSpan(
    name,
    {
      kind: kinds[kind],
      attributes: attributes as OtelAttributes,
      links: [...new Set(links)].flatMap(link => contextOf(link) ?? []).map(context => ({ context }))
    },
    parentContext ? trace.setSpanContext(ROOT_CONTEXT, parentContext) : ROOT_CONTEXT
  )
  const { traceId, spanId, traceFlags } = span.spanContext()
  return {
    service,
    traceparent: `00-${traceId}-${spanId}-0${traceFlags & 1}`,
    set: more => void span.setAttributes(more as OtelAttributes),
    fail: errorType => void span.setAttribute('error.type', errorType).setStatus({ code: SpanStatusCode.ERROR }),
    end: () => span.end()
  }
}

function contextOf(traceparent: string | string[] | undefined) {
  const parts = parseTraceparent(traceparent)
  return parts && { traceId: parts.traceId, spanId: parts.spanId, traceFlags: parts.flags & 1, isRemote: true }
}

/** Sends batches, says once when the collector does not take them and once when it does again, and counts what became of every span. */
function bounded(exporter: SpanExporter, log: Log): SpanProcessor {
  let waiting = 0
  let failing = false
  const inner = new BatchSpanProcessor({
    exporter: {
      export(spans, done) {
        waiting -= spans.length
        exporter.export(spans, result => {
          const failed = result.code !== 0
          exportedSpans.inc({ outcome: failed ? 'lost' : 'sent' }, spans.length)
          if (failed !== failing) {
            if (failed) log.warn({ unit: 'tracing', error: String(result.error) }, 'the collector does not take our spans')
            else log.info({ unit: 'tracing' }, 'the collector takes our spans again')
          }
          failing = failed
          done(result)
        })
      },
      shutdown: () => exporter.shutdown()
    },
    maxQueueSize: WAITING_MAX,
    maxExportBatchSize: BATCH,
    scheduledDelayMillis: EXPORT_EVERY_MS,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS + 500
  })
  return {
    onStart() {},
    onEnd(span) {
      if (waiting >= WAITING_MAX) return exportedSpans.inc({ outcome: 'dropped' })
      waiting++
      inner.onEnd(span)
    },
    forceFlush: () => inner.forceFlush(),
    shutdown: () => inner.shutdown()
  }
}

/** `key=value,key=value`, each percent-encoded, as OpenTelemetry writes it. */
function keyValues(text = ''): Record<string, string> {
  return Object.fromEntries(
    text
      .split(',')
      .map(pair => pair.split('='))
      .filter(([key, ...value]) => key?.trim() && value.length > 0)
      .map(([key, ...value]) => [key!.trim(), decodeURIComponent(value.join('=').trim())])
  )
}
