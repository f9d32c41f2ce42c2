import type { importOperations } from '#contracts/http/product-imports.ts'
import type { Download, Input, Reading } from '#platform/http/handlers.ts'
import { readImport } from './get-import.ts'
import { readErrors } from './import-errors.ts'

/** Sends what is wrong with the products of an import, one error a line, in the order of the file. */
export async function getImportErrors(
  { database }: Reading,
  { params: { importId } }: Input<typeof importOperations.getImportErrors>
): Promise<Download> {
  await readImport(database, importId)
  return { filename: `import-${importId}-errors.ndjson`, chunks: linesOf(readErrors(database, importId)) }
}

async function* linesOf(pages: AsyncIterable<readonly object[]>): AsyncGenerator<string, void, undefined> {
  for await (const page of pages) yield page.map(error => `${JSON.stringify(error)}\n`).join('')
}
