import { openCursors } from '#platform/http/cursor.ts'
import type { Reading } from '#platform/http/handlers.ts'
import type { Actor } from '#platform/identity/actor.ts'
import { openLog } from '#platform/log.ts'
import { openEventPermissions } from '#platform/messaging/event-permissions.ts'
import { type Database, openDatabase, type Transaction } from '#platform/postgres/database.ts'
import { migrate } from '#platform/postgres/migrate.ts'
import { createTestDatabase } from './postgres.ts'

// biome-ignore lint/suspicious/noExplicitAny: an event of any type, compared with what a test expects.
export type AnnouncedEvent = { eventType: string; sequence: number } & Record<string, any>

/** The product service's schema in a database of its own, for tests of behaviours without the edge around them. */
export interface ProductDatabase extends AsyncDisposable {
  database: Database
  /** For the service's own role. */
  url: string
  actor: Actor
  /** The ids of resources that transactions said have changed, in order. */
  changed: string[]
  /** What the edge would pass to a behaviour: no If-Match, nothing in path, query and body but what is given. */
  input<In>(given: NoInfer<Partial<In>>): In
  /** Runs a writing behaviour in a transaction of its own. */
  write<In, Out>(behaviour: (tx: Transaction, input: In) => Promise<Out>, given: NoInfer<Partial<In>>): Promise<Out>
  /** Runs a behaviour for a list of requests in one transaction, as the edge does with those that wait at the same moment. */
  batch<In, Out>(
    behaviour: (tx: Transaction, inputs: readonly In[]) => Promise<Out>,
    given: readonly NoInfer<Partial<In>>[]
  ): Promise<Out>
  read<In, Out>(behaviour: (reading: Reading, input: In) => Promise<Out>, given: NoInfer<Partial<In>>): Promise<Out>
  /** The events announced since the last call, in the order of the outbox. */
  events(): Promise<AnnouncedEvent[]>
}

export async function openProductDatabase(): Promise<ProductDatabase> {
  await using stack = new AsyncDisposableStack()
  const { url: adminUrl } = stack.use(await createTestDatabase())
  const log = openLog({ LOG_LEVEL: 'error', LOG_FORMAT: 'json' })
  const migrations = new URL('../../src/services/product/migrations/', import.meta.url)
  const url = await migrate(adminUrl, { name: 'product', migrations }, log)
  const changed: string[] = []
  const origin = { source: '/product-service', announced: () => {}, changed: (id: string) => changed.push(id), committed: () => {} }
  const database = stack.use(openDatabase({ url, schema: 'product', poolSize: 16, log, origin }))
  const actor: Actor = { issuer: 'test', subject: 'merchandiser', clientId: 'test', scopes: new Set() }
  const reading: Reading = {
    database,
    cursors: await openCursors(database),
    consumers: [],
    eventPermissions: openEventPermissions(undefined)
  }
  const input = <In>(given: Partial<In>) =>
    ({ params: {}, query: {}, body: undefined, actor, expected: null, traceparent: undefined, ...given }) as In
  let seen = 0
  const owned = stack.move()

  return {
    database,
    url,
    actor,
    changed,
    input,
    write: (behaviour, given) => database.transact(tx => behaviour(tx, input(given))),
    batch: (behaviour, given) =>
      database.transact(tx =>
        behaviour(
          tx,
          given.map(each => input(each))
        )
      ),
    read: (behaviour, given) => behaviour(reading, input(given)),
    async events() {
      const rows = await database.query<{ seq: number; body: string }>('select seq, body from outbox where seq > $1 order by seq', [
        seen
      ])
      seen = rows.at(-1)?.seq ?? seen
      return rows.map(row => JSON.parse(row.body))
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}
