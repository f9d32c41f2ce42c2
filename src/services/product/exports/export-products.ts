import type { Download, Reading } from '#platform/http/handlers.ts'
import { type CatalogSnapshot, openCatalogSnapshot, sentFrom } from './catalog-snapshot.ts'

/** The catalog as NDJSON: each product as it is served, with the names of its categories. It imports back to the same. */
export async function exportProducts({ database }: Reading): Promise<Download> {
  const snapshot = await openCatalogSnapshot(database)
  return { filename: 'products.ndjson', ...sentFrom(snapshot, linesOf(snapshot)) }
}

async function* linesOf(snapshot: CatalogSnapshot): AsyncGenerator<string> {
  for await (const products of snapshot.products()) {
    const lines = products.map(({ text, categoryPaths }) =>
      categoryPaths.length === 0 ? text : `${text.slice(0, -1)},"categoryPaths":${JSON.stringify(categoryPaths)}}`
    )
    yield `${lines.join('\n')}\n`
  }
}
