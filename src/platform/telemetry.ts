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

export const consumedEvents = new Counter({
  name: 'messaging_consumed_messages_total',
  help: 'Messages consumed, by consumer, event type and outcome: applied, duplicate, parked, dead-letter, unstorable, retry, ignored',
  labelNames: ['consumer', 'type', 'outcome'] as const,
  registers: [registry]
})

export const publishedEvents = new Counter({
  name: 'messaging_sent_messages_total',
  help: 'Events that the broker has accepted',
  labelNames: ['service', 'type'] as const,
  registers: [registry]
})

/** A figure per service that is read when somebody asks for metrics. */
export function gaugePerService(
  name: string,
  help: string,
  read: () => Promise<(readonly [service: string, value: number])[]>
): void {
  new Gauge({
    name,
    help,
    labelNames: ['service'],
    registers: [registry],
    async collect() {
      this.reset()
      for (const [service, value] of await read()) this.set({ service }, value)
    }
  })
}
