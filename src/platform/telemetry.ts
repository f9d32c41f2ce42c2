/** The only door to metrics. Labels are bounded: names from contracts and tables, never ids. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export const registry = new Registry()
collectDefaultMetrics({ register: registry })

export const httpRequests = new Histogram({
  name: 'http_server_request_duration_seconds',
  help: 'HTTP requests by operation and status',
  labelNames: ['service', 'operation', 'status'] as const,
  buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  registers: [registry]
})

export const deprecatedRequests = new Counter({
  name: 'http_server_deprecated_requests_total',
  help: 'Requests of deprecated operations: answered, or ended (410, after its day); the log names each client once',
  labelNames: ['service', 'operation', 'outcome'] as const,
  registers: [registry]
})

export const consumedEvents = new Counter({
  name: 'messaging_consumed_messages_total',
  help: 'Messages consumed, by consumer, event type and outcome: applied, duplicate, parked, dead-letter, unstorable, retry, ignored',
  labelNames: ['consumer', 'type', 'outcome'] as const,
  registers: [registry]
})

export const processDurations = new Histogram({
  name: 'messaging_process_duration_seconds',
  help: 'From a message in hand to its acknowledgement, by consumer and event type',
  labelNames: ['consumer', 'type'] as const,
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
  registers: [registry]
})

export const criticalTimes = new Histogram({
  name: 'messaging_critical_time_seconds',
  help: 'From the time that an event tells of to its effect being committed, retries included, by consumer',
  labelNames: ['consumer'] as const,
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 3600],
  registers: [registry]
})

export const signatureFailures = new Counter({
  name: 'messaging_signature_failures_total',
  help: 'Events that were not believed, by reason: signature-missing, -invalid, -mismatch, -unknown-key, -unknown-source',
  labelNames: ['consumer', 'reason'] as const,
  registers: [registry]
})

export const unsignedMessages = new Counter({
  name: 'messaging_unsigned_messages_total',
  help: 'Events that were taken although nobody could verify them, by EVENT_SIGNATURES',
  labelNames: ['consumer'] as const,
  registers: [registry]
})

export const publishedEvents = new Counter({
  name: 'messaging_sent_messages_total',
  help: 'Events that the broker has accepted',
  labelNames: ['service', 'type'] as const,
  registers: [registry]
})

export const publishDelays = new Histogram({
  name: 'messaging_publish_delay_seconds',
  help: 'From the announcement of an event, in its transaction, to its acceptance by the broker',
  labelNames: ['service'] as const,
  buckets: [0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 300],
  registers: [registry]
})

export const clientOperations = new Histogram({
  name: 'messaging_client_operation_duration_seconds',
  help: 'Batches sent to the broker, by outcome: accepted, refused (some for good), failed (to be sent again)',
  labelNames: ['service', 'operation', 'outcome'] as const,
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 15],
  registers: [registry]
})

export const webhookAttempts = new Histogram({
  name: 'webhook_attempt_duration_seconds',
  help: 'Tries of deliveries of webhooks, by outcome: delivered, failed',
  labelNames: ['outcome'] as const,
  buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15],
  registers: [registry]
})

export const limitedRequests = new Counter({
  name: 'http_server_limited_requests_total',
  help: 'Requests that the gateway answered 429, by the quota that was used up: client, address, failures',
  labelNames: ['policy'] as const,
  registers: [registry]
})

export const orderViolations = new Counter({
  name: 'messaging_order_violations_total',
  help: 'Events sent after a later one of the same subject: must stay 0',
  labelNames: ['service'] as const,
  registers: [registry]
})

export const unroutableEvents = new Counter({
  name: 'messaging_unroutable_messages_total',
  help: 'Events that the broker accepted and had no queue for: nobody was subscribed to their topic',
  labelNames: ['topic'] as const,
  registers: [registry]
})

export const exportedSpans = new Counter({
  name: 'tracing_spans_total',
  help: 'Spans by what became of them: sent, lost (the collector did not take them), dropped (too many waited)',
  labelNames: ['outcome'] as const,
  registers: [registry]
})

export const clientCalls = new Counter({
  name: 'http_client_calls_total',
  help: 'Calls of integrations with all their tries, by outcome: answered, failed (answered 5xx), timeout, unreachable, cancelled, breaker-open, overloaded (bulkhead full), unconfigured',
  labelNames: ['service', 'integration', 'outcome'] as const,
  registers: [registry]
})

export const clientRequests = new Histogram({
  name: 'http_client_request_duration_seconds',
  help: 'Tries of calls of integrations, by outcome',
  labelNames: ['service', 'integration', 'outcome'] as const,
  buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5],
  registers: [registry]
})

export const clientRetries = new Counter({
  name: 'http_client_retries_total',
  help: 'Tries beyond the first: sent, or refused because the budget of retries was used up',
  labelNames: ['service', 'integration', 'outcome'] as const,
  registers: [registry]
})

export const auditedRefusals = new Counter({
  name: 'audit_refusals_total',
  help: 'Refused attempts on their way into the audit log: recorded, or lost (too many waited)',
  labelNames: ['service', 'outcome'] as const,
  registers: [registry]
})

export type Reading<Label extends string> = { labels: Record<Label, string>; value: number }

/** A figure that is read when somebody asks for metrics. */
export function gaugeRead<Label extends string>(
  name: string,
  help: string,
  labelNames: readonly Label[],
  read: () => Promise<readonly Reading<Label>[]>
): void {
  new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    async collect() {
      const readings = await read()
      this.reset()
      for (const { labels, value } of readings) this.set(labels, value)
    }
  })
}
