/**
 * The ledger of webhooks, and what must hold in it: what was committed, what the event log has of it, what receivers saw and answered, and
 * what we say that they did, each told by a witness of its own. Pure, so that its own tests can forge every violation.
 */

/** The `n`th event of a key. */
export type Happened = { key: string; n: number }

export type LoggedBody = Happened & { id: string; type: string; body: string }

/** One request, as its receiver saw it. */
export type Seen = {
  endpoint: string
  /** The `webhook-id`. */
  id: string
  body: string
  /** Whether its signature is good. */
  signed: boolean
  /** The status that was answered in whole; null: none was. */
  answered: number | null
}

/** One delivery, as we have it on record. */
export type Recorded = {
  endpoint: string
  id: string
  status: string
  attempts: number
  /** In their order. */
  log: readonly { attempt: number; status: number | null }[]
}

export type Watched = {
  name: string
  types: readonly string[]
  /** Whether all is to be delivered in the end. */
  healthy: boolean
  /** Whether it asked for the order of keys. */
  ordered: boolean
}

export type WebhookLedger = {
  endpoints: readonly Watched[]
  /** What stands in the tables of the service. */
  committed: readonly Happened[]
  /** Changes of which somebody was told that they are committed. */
  acknowledged: readonly Happened[]
  /** Words that only events have which were taken back. */
  takenBack: readonly string[]
  logged: readonly LoggedBody[]
  /** In the order in which it came. */
  seen: readonly Seen[]
  recorded: readonly Recorded[]
  /** Tries of one delivery that may have ended without a record: the process was killed, its session ended, the database crashed. */
  unrecordedMax: number
  /** What was wrong with processes beyond being killed. */
  processes: readonly string[]
}

export const promises = {
  committed: 'what is acknowledged is committed, and what is committed is in the event log once',
  delivered: 'every event that a healthy endpoint asks for is delivered to it',
  'nothing else': 'nothing is sent that was not committed, or not asked for',
  alike: 'each try has the same id and body, as the event log has it, and a good signature',
  'in order': 'where order is asked for, nothing is sent before what came before it was delivered',
  'on record': 'what is on record is what the receiver saw, save tries that nobody could write down',
  'at rest': 'nothing is left for healthy endpoints, and nothing of theirs was given up',
  processes: 'processes end only when they are ended'
} as const
export type WebhookPromise = keyof typeof promises

/** Every way in which the ledger breaks a promise, as sentences. */
export function brokenPromises(ledger: WebhookLedger): { promise: WebhookPromise; says: string }[] {
  return (Object.keys(checks) as WebhookPromise[]).flatMap(promise => checks[promise](ledger).map(says => ({ promise, says })))
}

const nameOf = ({ key, n }: Happened) => `${key}@${n}`
const placeOf = ({ endpoint, id }: { endpoint: string; id: string }) => `${endpoint} ${id}`
const isDelivered = (status: number | null) => status !== null && status >= 200 && status < 300

const checks: Record<WebhookPromise, (ledger: WebhookLedger) => string[]> = {
  committed({ committed, acknowledged, logged }) {
    const known = new Set(committed.map(nameOf))
    const inLog = logged.map(nameOf)
    return [
      ...told('acknowledged and not committed', without(acknowledged.map(nameOf), known)),
      ...told('committed and not in the event log', without(known, new Set(inLog))),
      ...told('in the event log and not committed', without(inLog, known)),
      ...told(
        'twice in the event log',
        inLog.filter((name, index) => inLog.indexOf(name) !== index)
      )
    ]
  },
  delivered({ endpoints, logged, seen }) {
    const delivered = new Set(seen.filter(({ answered }) => isDelivered(answered)).map(placeOf))
    return endpoints
      .filter(({ healthy }) => healthy)
      .flatMap(({ name, types }) =>
        told(
          `never delivered to ${name}`,
          logged.filter(({ id, type }) => types.includes(type) && !delivered.has(`${name} ${id}`)).map(nameOf)
        )
      )
  },
  'nothing else'({ endpoints, takenBack, logged, seen }) {
    const events = new Map(logged.map(event => [event.id, event]))
    const asked = new Map(endpoints.map(({ name, types }) => [name, types]))
    return [
      ...told('sent and not in the event log', seen.filter(({ id }) => !events.has(id)).map(placeOf)),
      ...told('sent and taken back', seen.filter(({ body }) => takenBack.some(word => body.includes(word))).map(placeOf)),
      ...told(
        'sent and not asked for',
        seen.filter(({ endpoint, id }) => events.has(id) && !asked.get(endpoint)?.includes(events.get(id)!.type)).map(placeOf)
      )
    ]
  },
  alike({ logged, seen }) {
    const bodies = new Map(logged.map(({ id, body }) => [id, body]))
    return [
      ...told('with another body than in the event log', seen.filter(({ id, body }) => bodies.get(id) !== body).map(placeOf)),
      ...told('without a good signature', seen.filter(({ signed }) => !signed).map(placeOf))
    ]
  },
  'in order'({ endpoints, logged, seen }) {
    const events = new Map(logged.map(event => [event.id, event]))
    return endpoints
      .filter(({ ordered }) => ordered)
      .flatMap(({ name, types }) => {
        const lines = Map.groupBy(
          logged.filter(({ type }) => types.includes(type)).sort((one, other) => one.n - other.n),
          ({ key }) => key
        )
        const delivered = new Set<string>()
        const early = seen
          .filter(({ endpoint }) => endpoint === name)
          .filter(({ id, answered }) => {
            const event = events.get(id)
            const line = event ? lines.get(event.key)! : []
            const before = line[line.findIndex(each => each.id === id) - 1]
            if (isDelivered(answered)) delivered.add(id)
            return before !== undefined && !delivered.has(before.id)
          })
        return told(`sent to ${name} too early`, early.map(placeOf))
      })
  },
  'on record'({ seen, recorded, unrecordedMax }) {
    const sightings = Map.groupBy(seen, placeOf)
    const lines = recorded.flatMap(delivery => {
      const saw = sightings.get(placeOf(delivery)) ?? []
      const { log, status, attempts } = delivery
      const says = (what: string) => [`${placeOf(delivery)} ${what}`]
      const answers = [...new Set(log.flatMap(each => (each.status === null ? [] : [each.status])))]
      const times = (all: readonly (number | null)[], one: number) => all.filter(each => each === one).length
      const invented = answers.filter(
        one =>
          times(
            log.map(each => each.status),
            one
          ) >
          times(
            saw.map(each => each.answered),
            one
          )
      )
      return [
        ...(invented.length > 0 ? says(`has ${invented} on record more often than its receiver answered it`) : []),
        ...(saw.length > log.length + unrecordedMax ? says(`was seen ${saw.length} times and has ${log.length} on record`) : []),
        ...(log.some(({ attempt }, index) => attempt !== index + 1) || attempts !== log.length
          ? says(`has ${attempts} attempts, and on record ${log.map(({ attempt }) => attempt)}`)
          : []),
        ...(log.some((each, index) => isDelivered(each.status) !== (status === 'delivered' && index === log.length - 1))
          ? says(`is ${status} after ${log.map(each => each.status)}`)
          : [])
      ]
    })
    return told('records that are wrong', lines)
  },
  'at rest'({ endpoints, logged, recorded }) {
    const deliveries = Map.groupBy(recorded, ({ endpoint }) => endpoint)
    return endpoints
      .filter(({ healthy }) => healthy)
      .flatMap(({ name, types }) => {
        const all = deliveries.get(name) ?? []
        const expected = logged.filter(({ type }) => types.includes(type)).length
        return [
          ...told(
            `not delivered to ${name}`,
            all.filter(({ status }) => status !== 'delivered').map(({ id, status }) => `${id} ${status}`)
          ),
          ...(all.length === expected ? [] : [`${all.length} deliveries to ${name}, of ${expected} events`])
        ]
      })
  },
  processes: ({ processes }) => [...processes]
}

function without(all: Iterable<string>, known: ReadonlySet<string>): string[] {
  return [...all].filter(each => !known.has(each))
}

const EXAMPLES = 5

function told(what: string, which: readonly string[]): string[] {
  if (which.length === 0) return []
  return [`${which.length} ${what}: ${which.slice(0, EXAMPLES).join(', ')}${which.length > EXAMPLES ? ', …' : ''}`]
}
