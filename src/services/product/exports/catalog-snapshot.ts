import { Problem } from '#contracts/problems.ts'
import type { Product } from '#contracts/resources/product.ts'
import type { Download } from '#platform/http/handlers.ts'
import type { Database, Session } from '#platform/postgres/database.ts'

/** A product as it was at the moment of the snapshot. */
export type SnapshotProduct = {
  /** The document, as it is served. */
  text: string
  product: Product
  /** Its categories by their names from the top down. */
  categoryPaths: readonly (readonly string[])[]
}

/** The catalog at one moment, however long it takes to read it. Whoever opens one disposes of it. */
export interface CatalogSnapshot extends AsyncDisposable {
  /** Of the last event that the log had. What later events tell of may be in the snapshot already; what earlier ones tell of is. */
  readonly position: number
  /** In which currencies there are prices that can be paid. */
  currencies(): Promise<string[]>
  /** All products, oldest first, some at a time. */
  products(): AsyncGenerator<SnapshotProduct[], void, undefined>
}

/** How many there may be at once in a process: each has a connection of its own. */
export const SNAPSHOTS_MAX = 4
/** A snapshot keeps the database from clearing up; whoever has not read it by then begins again. */
const MINUTES_MAX = 30

const underWay = new WeakMap<Database, number>()

/**
 * Opens a snapshot in a transaction of its own, on a connection of its own. The server ends it when nothing has been read for as long as
 * it lets any transaction idle (see database.ts), or when half an hour is over. Throws `too-many-requests`.
 */
export async function openCatalogSnapshot(database: Database): Promise<CatalogSnapshot> {
  const count = (change: number) => underWay.set(database, (underWay.get(database) ?? 0) + change)
  if ((underWay.get(database) ?? 0) >= SNAPSHOTS_MAX) {
    throw new Problem('too-many-requests', `There are ${SNAPSHOTS_MAX} exports under way`, { retryAfterSeconds: 10 })
  }
  count(1)
  const session = await database.connect('export').catch(error => {
    count(-1)
    throw error
  })
  // Also when it is disposed of.
  session.lost.addEventListener('abort', () => count(-1), { once: true })
  await using opening = new AsyncDisposableStack()
  opening.use(session)
  await session.query('begin isolation level repeatable read read only')
  await session.query(`set local transaction_timeout = '${MINUTES_MAX}min'`)
  const [head] = await session.query<{ position: number }>('select position from event_log_head')
  const pathOf = await readCategoryPaths(session)
  const opened = opening.move()
  return {
    position: head!.position,
    currencies: () => readCurrencies(session),
    products: () => readProducts(session, pathOf),
    [Symbol.asyncDispose]: () => opened.disposeAsync()
  }
}

/** Text made from a snapshot, which is disposed of when it ends, fails or is given up, even before it has begun. */
export function sentFrom(snapshot: CatalogSnapshot, text: AsyncGenerator<string>): Pick<Download, 'headers' | 'chunks'> {
  const end = () => snapshot[Symbol.asyncDispose]()
  const iterator: AsyncIterator<string> = {
    next: async () => {
      const next = await text.next().catch(async error => {
        await end()
        throw error
      })
      if (next.done) await end()
      return next
    },
    return: async () => {
      await text.return(undefined)
      await end()
      return { done: true, value: undefined }
    }
  }
  return { headers: { 'event-position': String(snapshot.position) }, chunks: { [Symbol.asyncIterator]: () => iterator } }
}

/** The names of each category and those above it, from the top down. */
async function readCategoryPaths(session: Session): Promise<(categoryId: string) => string[]> {
  const rows = await session.query<{ category_id: string; name: string; path: string[] }>(
    'select category_id, name, path from categories'
  )
  const categories = new Map(rows.map(row => [row.category_id, row]))
  return categoryId => (categories.get(categoryId)?.path ?? []).map(id => categories.get(id)!.name)
}

/** One look into the index for each, however many prices there are. */
async function readCurrencies(session: Session): Promise<string[]> {
  const rows = await session.query<{ currency: string }>(
    `with recursive found as (
       select min(currency) as currency from product_prices
       union all
       select (select min(currency) from product_prices p where p.currency > found.currency) from found where currency is not null
     )
     select currency from found where currency is not null`
  )
  return rows.map(({ currency }) => currency)
}

const BATCH = 100

type Row = { product_id: string; document: string }

/** The next batch is on its way while one is used. */
async function* readProducts(
  session: Session,
  pathOf: (categoryId: string) => string[]
): AsyncGenerator<SnapshotProduct[], void, undefined> {
  const after = (productId: string) => {
    const rows = session.query<Row>(
      'select product_id, document from products where product_id > $1 order by product_id limit $2',
      [productId, BATCH]
    )
    // Nobody waits for it when reading ends before it comes.
    rows.catch(() => {})
    return rows
  }
  for (let next = after(FIRST); ; ) {
    const rows = await next
    const last = rows.at(-1)
    if (!last) return
    next = after(last.product_id)
    yield rows.map(({ document }) => {
      const product: Product = JSON.parse(document)
      return { text: document, product, categoryPaths: product.categoryIds.map(pathOf) }
    })
  }
}

/** Before any id. */
const FIRST = '00000000-0000-0000-0000-000000000000'
