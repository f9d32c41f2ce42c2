/** W3C Trace Context (https://www.w3.org/TR/trace-context/): continued when well-formed, restarted otherwise. */
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
