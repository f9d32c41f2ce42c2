/** COPY of text into a table: how fast PostgreSQL itself takes documents in. */
import type { Connection } from 'pg'
import pg from 'pg'

/** What the driver lets a query of another kind do; its types do not tell. */
type CopyConnection = Connection & { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void }

const CHUNK_BYTES = 65_536

/** Loads documents into a table of its own, logged, with a primary key and a unique slug, in one transaction. Gives how long it took. */
export async function copyDocuments(
  url: string,
  documents: readonly { productId: string; slug: string }[]
): Promise<{ seconds: number }> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(`create schema if not exists bench; drop table if exists bench.document;
      create table bench.document (id text primary key, slug text not null unique, document jsonb not null)`)
    await client.query('checkpoint')
    const started = performance.now()
    await copyFrom(client, 'copy bench.document from stdin', chunksOf(documents))
    return { seconds: (performance.now() - started) / 1000 }
  } finally {
    await client.end()
  }
}

function* chunksOf(documents: readonly { productId: string; slug: string }[]): Generator<Buffer> {
  let text = ''
  for (const document of documents) {
    text += `${[document.productId, document.slug, JSON.stringify(document)].map(escaped).join('\t')}\n`
    if (text.length < CHUNK_BYTES) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(text)
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }
const escaped = (text: string) => text.replaceAll(/[\\\n\r\t]/g, character => escapes[character]!)

function copyFrom(client: pg.Client, sql: string, chunks: Iterable<Buffer>): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query({
      submit: (connection: Connection) => connection.query(sql),
      handleCopyInResponse(connection: CopyConnection) {
        for (const chunk of chunks) connection.sendCopyFromChunk(chunk)
        connection.endCopyFrom()
      },
      handleError: reject,
      handleCommandComplete: () => {},
      handleReadyForQuery: () => resolve()
    } as unknown as pg.Submittable)
  })
}
