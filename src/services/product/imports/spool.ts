/** Files of imports, kept in the database in pieces until they are dealt with, so that any process can go on with them. */
import type { Queryable } from '#platform/postgres/database.ts'

const PIECE_BYTES = 1024 * 1024

/** Keeps a file as it comes, a piece at a time. Gives its size in bytes. */
export async function spoolFile(database: Queryable, importId: string, chunks: AsyncIterable<Buffer>): Promise<number> {
  let position = 0
  let held: Buffer[] = []
  let heldBytes = 0
  async function keep(): Promise<void> {
    if (heldBytes === 0) return
    const bytes = Buffer.concat(held, heldBytes)
    held = []
    heldBytes = 0
    await database.query(
      `with kept as (insert into import_chunks (import_id, position, bytes) values ($1, $2, $3))
       update imports set updated_at = now() where import_id = $1`,
      [importId, position, bytes]
    )
    position += bytes.length
  }
  for await (const chunk of chunks) {
    held.push(chunk)
    heldBytes += chunk.length
    if (heldBytes >= PIECE_BYTES) await keep()
  }
  await keep()
  return position
}

/** Reads a file from a byte on, one piece at a time; the next piece is on its way while one is used. */
export async function* readSpool(database: Queryable, importId: string, offset: number): AsyncGenerator<Buffer, void, undefined> {
  let next = readPiece(database, importId, offset)
  for (;;) {
    const piece = await next
    if (!piece) return
    const end = piece.position + piece.bytes.length
    next = readPiece(database, importId, end)
    // Nobody waits for it when reading ends before it comes.
    next.catch(() => {})
    yield piece.position < offset ? piece.bytes.subarray(offset - piece.position) : piece.bytes
  }
}

type Piece = { position: number; bytes: Buffer }

async function readPiece(database: Queryable, importId: string, offset: number): Promise<Piece | undefined> {
  const [piece] = await database.query<Piece>(
    `select * from (
       select position, bytes from import_chunks where import_id = $1 and position <= $2 order by position desc limit 1
     ) last where position + length(bytes) > $2`,
    [importId, offset]
  )
  return piece
}

const PIECES_DROPPED = 64

/** Drops pieces of a file, so many at a time. Says how many. */
export async function dropSpool(database: Queryable, importId: string): Promise<number> {
  const rows = await database.query(
    `delete from import_chunks where import_id = $1 and position in (
       select position from import_chunks where import_id = $1 limit ${PIECES_DROPPED}
     ) returning 1`,
    [importId]
  )
  return rows.length
}
