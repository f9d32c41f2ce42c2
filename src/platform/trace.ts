/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): continued when well-formed, restarted otherwise. And the seam to spans: where
 * nobody exports them (opentelemetry.ts, loaded when it is configured), `startSpan` is undefined, and a span costs a comparison.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'

const traceparentPattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

/** The trace context of a unit of work that a caller's header continues, or of a new trace. */
export function continueTrace(header: string | string[] | undefined): string {
  const parent = typeof header === 'string' ? traceparentPattern.exec(header) : null
  // A UUID's random digits: unlike single random bytes, they come from a pool, not from a system call each.
  const random = randomUUID().replaceAll('-', '')
  const span = random.slice(16)
  return parent ? `00-${parent[1]}-${span}-${parent[3]}` : `00-${randomUUID().replaceAll('-', '')}-${span}-01`
}

export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35)
}

/** The parts of a well-formed traceparent. */
export function parseTraceparent(header: string | string[] | undefined): { traceId: string; spanId: string; flags: number } | null {
  const [, traceId, spanId, flags] = (typeof header === 'string' && traceparentPattern.exec(header)) || []
  return traceId && spanId && flags ? { traceId, spanId, flags: Number.parseInt(flags, 16) } : null
}

/** Never what people wrote, and no secrets: ids, names and figures. Undefined ones are left out. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

export type SpanOptions = {
  service: string
  kind: 'server' | 'client' | 'producer' | 'consumer'
  attributes: Attributes
  /** The `traceparent` of what this is a part of; without a well-formed one it begins a trace. */
  parent?: string | string[] | undefined
  /** The `traceparent` of each of what else it belongs to. */
  links?: readonly (string | undefined)[]
}

/** A unit of work that whoever follows a trace sees. */
export interface Span {
  readonly service: string
  /** What others continue it by. */
  readonly traceparent: string
  set(attributes: Attributes): void
  /** The kind of failure, in a word: no message, which may quote data. */
  fail(errorType: string): void
  end(): void
}

export type StartSpan = (name: string, options: SpanOptions) => Span

/** `startSpan?.(name, { … })`: where nobody exports spans, not even its options are made. */
export let startSpan: StartSpan | undefined

/** From here on, until disposed, spans are started by `start`. */
export function exportSpans(start: StartSpan): Disposable {
  startSpan = start
  return {
    [Symbol.dispose]() {
      if (startSpan === start) startSpan = undefined
    }
  }
}

const running = new AsyncLocalStorage<Span>()

/** Runs work, and all that it awaits, as part of a span. */
export function within<Result>(span: Span, work: () => Result): Result {
  return running.run(span, work)
}

/** The span that this runs within. */
export function currentSpan(): Span | undefined {
  return startSpan && running.getStore()
}

/** What went wrong, in a word of which there are few: a code where the error has one. */
export function errorTypeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'error'
}
