/** One request and its answer, as those who follow a trace see it; what is sent along of its cause, and what is made of the body. */
import type { Dispatcher } from 'undici'
import { currentCause, currentTraceparent } from '../resilience/cause.ts'
import { currentSpan, errorTypeOf, startSpan } from '../trace.ts'

export type HttpReply<Body = unknown> = { status: number; headers: Record<string, string | string[] | undefined>; body: Body }

/** How long whoever asks waits for the answer, in milliseconds: what is left to them, as a whole number. Read by the edge of a service. */
export const TIMEOUT_HEADER = 'x-request-timeout'

export type Sending = { method: string; url: URL; resent: number; timeoutMs?: number | undefined }

/**
 * Sends a request as a "client" span of what it is sent for, where spans are exported; hands over the headers that tell of its cause. The
 * trace context always goes along where the cause has one. A span has the path without its query.
 */
export async function exchanged<Reply extends { status: number }>(
  { method, url, resent, timeoutMs }: Sending,
  send: (context: Record<string, string>) => Promise<Reply>
): Promise<Reply> {
  const waits = timeoutMs === undefined ? {} : { [TIMEOUT_HEADER]: String(Math.max(0, Math.floor(timeoutMs))) }
  const cause = currentSpan()
  if (!cause || !startSpan) {
    const traceparent = currentTraceparent()
    return send({ ...waits, ...(traceparent ? { traceparent } : {}) })
  }
  const { protocol, hostname, host, port, pathname } = url
  const span = startSpan(method, {
    service: cause.service,
    kind: 'client',
    parent: cause.traceparent,
    attributes: {
      'http.request.method': method,
      'server.address': hostname,
      'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
      'url.full': `${protocol}//${host}${pathname}`,
      'http.request.resend_count': resent || undefined
    }
  })
  try {
    const reply = await send({ ...waits, traceparent: span.traceparent })
    span.set({ 'http.response.status_code': reply.status })
    if (reply.status >= 400) span.fail(String(reply.status))
    return reply
  } catch (error) {
    span.fail(errorTypeOf(error))
    throw error
  } finally {
    span.end()
  }
}

/** The whole answer: JSON as the value that it is, anything else as text. */
export async function wholeReply<Body>({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<HttpReply<Body>> {
  const text = await body.text()
  const isJson = /^application\/([\w.-]+\+)?json\b/i.test(String(headers['content-type'] ?? ''))
  return { status: statusCode, headers, body: (text === '' ? undefined : isJson ? JSON.parse(text) : text) as Body }
}

/** Until when the answer is waited for, and what else ends the wait. Of an answer that others share, not by who asked first. */
export function boundsOf(asked: {
  signal?: AbortSignal | undefined
  timeoutMs?: number | undefined
  shared?: boolean | undefined
}) {
  const cause = asked.shared ? undefined : currentCause()
  const deadlines = [asked.timeoutMs === undefined ? undefined : performance.now() + asked.timeoutMs, cause?.deadlineAt]
  const deadlineAt = Math.min(...deadlines.filter(at => at !== undefined))
  return { deadlineAt, signals: [asked.signal, cause?.signal].filter(signal => signal !== undefined) }
}
