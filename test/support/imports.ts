/** Files for imports, put where an upload would put them, and imports run to their end as the timer does. */
import { randomUUID } from 'node:crypto'
import { newId } from '#platform/id.ts'
import type { Database } from '#platform/postgres/database.ts'
import { START } from '#platform/text/records.ts'
import { type ImportRow, importOf } from '../../src/services/product/imports/import.ts'
import { readErrors } from '../../src/services/product/imports/import-errors.ts'
import { runImports } from '../../src/services/product/imports/run-imports.ts'

export type SentFile = { mediaType?: string; currency?: string; dryRun?: boolean; pieceBytes?: number }

/** A file that has arrived whole and waits. Lines of NDJSON may be given as objects, or as they are. */
export async function sendFile(database: Database, content: string | readonly unknown[], options: SentFile = {}): Promise<string> {
  const { mediaType = 'application/x-ndjson', currency = null, dryRun = false, pieceBytes = 100_000 } = options
  const text =
    typeof content === 'string'
      ? content
      : content.map(line => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('')
  const file = Buffer.from(text)
  const importId = newId()
  await database.query(
    `insert into imports (import_id, status, media_type, currency, dry_run, actor, bytes, place, created_at, updated_at)
     values ($1, 'uploading', $2, $3, $4, 'merchandiser', $5, $6, now(), now())`,
    [importId, mediaType, currency, dryRun, file.length, JSON.stringify(START)]
  )
  for (let at = 0; at < file.length; at += pieceBytes) {
    await database.query('insert into import_chunks (import_id, position, bytes) values ($1, $2, $3)', [
      importId,
      at,
      file.subarray(at, at + pieceBytes)
    ])
  }
  await database.query(`update imports set status = 'pending' where import_id = $1`, [importId])
  return importId
}

/** Runs what waits until nothing does. */
export async function runAll(database: Database): Promise<void> {
  while ((await runImports(database)).more);
}

export async function readImport(database: Database, importId: string) {
  const [row] = await database.query<ImportRow>('select * from imports where import_id = $1', [importId])
  return importOf(row!)
}

/** What became of its products: created, updated, unchanged, failed. */
export async function countsOf(database: Database, importId: string): Promise<number[]> {
  const { status, created, updated, unchanged, failed, reason } = await readImport(database, importId)
  if (status !== 'completed') throw new Error(`${importId} is ${status}: ${JSON.stringify(reason)}`)
  return [created, updated, unchanged, failed]
}

/** Its errors, as `line pointer code`. */
export async function errorsOf(database: Database, importId: string): Promise<string[]> {
  const errors: string[] = []
  for await (const page of readErrors(database, importId))
    for (const { line, pointer, code } of page) errors.push(`${line} ${pointer} ${code}`)
  return errors
}

/** Sends a file and runs it. */
export async function importFile(database: Database, content: string | readonly unknown[], options: SentFile = {}) {
  const importId = await sendFile(database, content, options)
  await runAll(database)
  return { importId, counts: await countsOf(database, importId), errors: await errorsOf(database, importId) }
}

/** A product with three variants, which no other test has. */
export function someProduct(name: string, more: object = {}) {
  return {
    externalId: `erp-${name}`,
    title: `Thing ${name}`,
    status: 'active',
    brand: 'Northfold',
    attributes: { material: 'merino' },
    variants: ['S', 'M', 'L'].map(size => ({
      sku: `${name}-${size}`,
      options: { Size: size },
      prices: [{ amount: '89.90', currency: 'EUR' }],
      inventory: { onHand: 10 }
    })),
    ...more
  }
}

export function someProducts(count: number, prefix = randomUUID().slice(0, 8)) {
  return Array.from({ length: count }, (_, index) => someProduct(`${prefix}-${index}`))
}
