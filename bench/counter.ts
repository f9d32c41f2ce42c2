/** The smallest service there is: counters, each change announced; on the messaging core as services run it. */
import type { Broker } from '#broker/broker.ts'
import { InventoryUpdated } from '#contracts/events/inventory-events.ts'
import { newId } from '#platform/id.ts'
import { openLog } from '#platform/log.ts'
import { consume } from '#platform/messaging/consume.ts'
import { on } from '#platform/messaging/consumer.ts'
import { announce, announceAll, announcement } from '#platform/messaging/outbox.ts'
import { startBrokerOutlet } from '#platform/messaging/outlet.ts'
import { startRelay } from '#platform/messaging/relay.ts'
import { openWakeup } from '#platform/messaging/wakeup.ts'
import { type Database, openDatabase, type Transaction } from '#platform/postgres/database.ts'
import { migrate } from '#platform/postgres/migrate.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { openSigner } from '#platform/signing/signing.ts'

export const COUNTERS = 1_000

export type Counter = {
  database: Database
  /** Changes one counter, by its number, without a word of it. */
  change(tx: Transaction, number: number): Promise<void>
  /** Changes one counter, and announces it. */
  changeAndAnnounce(tx: Transaction, number: number): Promise<void>
  /** Announces so many changes, over all counters, with nobody to relay them yet. */
  fillOutbox(events: number): Promise<void>
  /** Relays from the outbox to the broker until disposed. `accepted` is called with how many events the broker has accepted, and when. */
  relay(broker: Broker, accepted: (events: number) => void, signed?: boolean): AsyncDisposable
  /** Handles every change once, in a transaction that leaves an effect. */
  subscribe(broker: Broker, topic: string, handled: () => void): Promise<AsyncDisposable>
}

const service = { name: 'counter', migrations: new URL('../src/platform/migrations/', import.meta.url) }
const log = openLog({ LOG_LEVEL: 'warn', LOG_FORMAT: 'json' })
const ids = Array.from({ length: COUNTERS }, newId)

export async function openCounter(databaseUrl: string, stack: AsyncDisposableStack): Promise<Counter> {
  const url = await migrate(databaseUrl, service, log)
  const source = '/product-service'
  const origin = { source, announced: () => outbox.wake(), changed: () => {}, committed: () => {} }
  const database = stack.use(openDatabase({ url, schema: service.name, poolSize: 16, log, origin }))
  const outbox = openWakeup(database, 'outbox')
  const eventLog = openWakeup(database, 'event log')
  await database.query('create table counters (id uuid primary key, n bigint not null)')
  await database.query('create table effects (id uuid primary key, n bigint not null)')
  await database.query('insert into counters select id, 0 from unnest($1::uuid[]) id', [ids])
  const sign = openSigner({ database, sealing: openSealing(undefined) })
  let announced = 0

  const update = (tx: Transaction, number: number) =>
    tx.query<{ n: number }>('update counters set n = n + 1 where id = $1 returning n', [ids[number % COUNTERS]])

  return {
    database,
    async change(tx, number) {
      await update(tx, number)
    },
    async changeAndAnnounce(tx, number) {
      const [row] = await update(tx, number)
      announce(tx, InventoryUpdated, changed(number), row!.n)
    },
    async fillOutbox(events) {
      for (let left = events; left > 0; left -= 1_000) {
        const many = Array.from({ length: Math.min(1_000, left) }, () => {
          announced++
          return announcement(InventoryUpdated, changed(announced), Math.ceil(announced / COUNTERS))
        })
        await database.transact(async tx => announceAll(tx, many))
      }
    },
    relay(broker, accepted, signed = true) {
      const owned = new AsyncDisposableStack()
      const published = (events: readonly unknown[]) => accepted(events.length)
      owned.use(startBrokerOutlet({ database, broker, source, eventLog, log, published, ...(signed ? { sign } : {}) }))
      owned.use(startRelay({ database, outbox, eventLog, log }))
      return owned
    },
    subscribe(broker, topic, handled) {
      const group = `${topic}.counter`
      const effect = on(InventoryUpdated, async (tx, event) => {
        await tx.query('insert into effects values ($1, $2) on conflict (id) do update set n = excluded.n', [
          event.variantId,
          event.onHand
        ])
        tx.afterCommit(handled)
      })
      const consumer = { name: group, reactions: [effect], database, retryDelaysMs: [1_000], log }
      const handle = (delivery: Parameters<typeof consume>[1]) => consume(consumer, delivery)
      return broker.subscribe({ group, topics: [topic], concurrency: 8, handle })
    }
  }
}

/** A level whose product and variant are one, so that events of a counter stay in order. */
function changed(number: number) {
  const id = ids[number % COUNTERS]!
  return {
    productId: id,
    variantId: id,
    locationId: ids[0]!,
    onHand: 10,
    reserved: 4,
    availableQuantity: 6,
    deltaOnHand: 0,
    deltaReserved: 1
  }
}
