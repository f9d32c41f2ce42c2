import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { countsOf, errorsOf, readImport, sendFile, someProducts } from '../../../../test/support/imports.ts'
import { openProductDatabase, type ProductDatabase } from '../../../../test/support/product-database.ts'

let db: ProductDatabase
before(async () => {
  db = await openProductDatabase()
})
after(() => db[Symbol.asyncDispose]())

const KILLS = 10
const script = fileURLToPath(new URL('../../../../test/support/import-process.ts', import.meta.url))

function start(): ChildProcess {
  return spawn(process.execPath, [script, db.url], { stdio: ['ignore', 'inherit', 'inherit'] })
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

/** Kills whoever runs an import again and again, each time at another moment, and lets the last one finish. */
async function runKilled(importId: string, total: number): Promise<number> {
  let kills = 0
  let child = start()
  try {
    for (;;) {
      const { status, rows } = await readImport(db.database, importId)
      if (status !== 'pending' && status !== 'running') return kills
      if (kills < KILLS && rows >= (total * (kills + Math.random())) / (KILLS + 1)) {
        await kill(child)
        kills++
        child = start()
      }
    }
  } finally {
    await kill(child)
  }
}

test('an import whose process is killed ten times has each product once, each event once, and right counts', async () => {
  const existing = someProducts(400, 'old')
  const first = await sendFile(db.database, existing)
  await runKilled(first, Number.POSITIVE_INFINITY)
  await db.events()
  const lines = [
    ...existing.map((product, index) => (index % 2 ? { ...product, brand: 'Southfold' } : product)),
    ...someProducts(6000, 'new').flatMap((product, index) => (index % 100 === 50 ? [product, { title: '' }] : [product])),
    { externalId: 'erp-new-0' },
    { externalId: 'erp-old-0' }
  ].map((product, index) => ({
    ...product,
    ...(index % 5 === 0 && 'title' in product && product.title ? { categoryPaths: [['Shop', `Shelf ${index % 300}`]] } : {})
  }))
  const importId = await sendFile(db.database, lines)
  assert.equal(await runKilled(importId, lines.length), KILLS)

  const shelved = existing.filter((_, index) => index % 5 === 0 && index % 2 === 0).length
  assert.deepEqual(await countsOf(db.database, importId), [6000, 200 + shelved, 200 - shelved, 62])
  const errors = await errorsOf(db.database, importId)
  assert.deepEqual([errors.filter(error => error.endsWith('duplicate-in-file')).length, errors.length], [2, 2 + 60 * 2])
  const events = (await db.events()).filter(event => event.productId && /^Product(Created|Updated)$/.test(event.eventType))
  assert.deepEqual([events.length, new Set(events.map(event => event.productId)).size], [6200 + shelved, 6200 + shelved])
  const [row] = await db.database.query('select count(*) as products, count(distinct external_id) as external_ids from products')
  assert.deepEqual(row, { products: 6400, external_ids: 6400 })
  const [stock] = await db.database.query(
    `select (select count(*) from variants) as variants, (select count(*) from stock_levels where on_hand = 10) as levels,
       (select count(*) from stock_ledger) as entries, (select count(*) from price_changes) as prices,
       (select count(*) from categories) as categories`
  )
  assert.deepEqual(stock, { variants: 19_200, levels: 19_200, entries: 19_200, prices: 19_200, categories: 61 })
})
