/**
 * The outlet that feeds the broker: follows the event log with a cursor of its own, so that a broker that is away stops only
 * this cursor. The cursor moves after the broker has accepted: a crash repeats messages, and never leaves one out.
 */
import { type Broker, type Message, MessagesRefused } from '#broker/broker.ts'
import { failpoint } from '../failpoint.ts'
import type { Log } from '../log.ts'
import type { Database, Session } from '../postgres/database.ts'
import { exclusively } from '../postgres/exclusive.ts'
import type { Sign } from '../signing/signing.ts'
import { toMessage } from './cloudevents.ts'
import { type LoggedEvent, readEventLog } from './event-log.ts'
import { send } from './message-telemetry.ts'
import type { Wakeup } from './wakeup.ts'

const OUTLET = 'broker'
const BATCH = 500
const POLL_MS = 1000
/** A batch that waited longer is read and signed again. */
const PREPARED_MS = 1000

type Prepared = { events: readonly LoggedEvent[]; messages: readonly Message[]; at: number }

export function startBrokerOutlet(options: {
  database: Database
  broker: Broker
  source: string
  /** Where the schemas of what is published are served. */
  baseUrl?: string
  eventLog: Wakeup
  /** Without it, messages go out unsigned. */
  sign?: Sign
  log: Log
  published?: (events: readonly LoggedEvent[]) => void
}): AsyncDisposable {
  const { database, broker, source, baseUrl, eventLog, log } = options
  return exclusively(
    database,
    `outlet ${OUTLET}`,
    async (session, signal) => {
      using follower = await eventLog.follow(session)
      await session.query('insert into outlets (name) values ($1) on conflict do nothing', [OUTLET])
      // A cursor that a crash of the server takes back repeats messages, and never leaves one out.
      await session.query('set synchronous_commit to off')
      const [cursor] = await session.query<{ position: number }>('select position from outlets where name = $1', [OUTLET])
      let position = cursor!.position
      let ahead: Promise<Prepared> | undefined
      while (!signal.aborted) {
        let batch = await (ahead ?? prepare(session, position))
        // Signatures are made at send: the key may have been revoked while the broker took its time.
        if (performance.now() - batch.at > PREPARED_MS) batch = await prepare(session, position)
        const { events } = batch
        const until = events.at(-1)?.position ?? position
        // While the broker takes this batch, the next one is read and signed.
        ahead = events.length === BATCH ? prepare(session, until) : undefined
        // Should this batch fail, nobody asks for it any more.
        ahead?.catch(() => {})
        if (events.length > 0) {
          await failpoint('outlet.before-publish')
          const accepted = await publish(session, batch)
          await failpoint('outlet.after-publish')
          position = until
          await session.query('update outlets set position = $2, updated_at = now() where name = $1', [OUTLET, position])
          await failpoint('outlet.after-cursor')
          options.published?.(accepted)
        }
        if (!ahead) await follower.next(POLL_MS, signal, events.length)
      }
    },
    log
  )

  async function prepare(session: Session, after: number): Promise<Prepared> {
    const events = await readEventLog(session, after, BATCH)
    const at = performance.now()
    const messages = events.map(event => toMessage(event, source, baseUrl))
    return { events, at, messages: options.sign && events.length > 0 ? await options.sign(messages) : messages }
  }

  /**
   * Returns what the broker has accepted. What it will never take is set aside with its reason; anything else throws, and the batch is
   * tried again.
   */
  async function publish(session: Session, { events, messages }: Prepared): Promise<readonly LoggedEvent[]> {
    try {
      await send(broker, source, messages)
      return events
    } catch (error) {
      if (!(error instanceof MessagesRefused)) throw error
      const refused = events.filter(event => error.messageIds.includes(event.event_id))
      // A refusal of something else says nothing about these.
      if (refused.length !== error.messageIds.length) throw error
      for (const event of refused) {
        await session.query(
          'insert into quarantined_events (outlet, position, event_id, key, reason) values ($1, $2, $3, $4, $5) on conflict do nothing',
          [OUTLET, event.position, event.event_id, event.key, error.message]
        )
      }
      log.error(
        { unit: 'outlet', refused: refused.map(event => event.event_id), error: error.message },
        'the broker refuses events for good'
      )
      return events.filter(event => !refused.includes(event))
    }
  }
}
