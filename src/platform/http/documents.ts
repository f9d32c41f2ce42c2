/**
 * Stored documents by id. All requests that wait at one moment share one read, issued after they arrived, so it is as fresh as a read of
 * their own. A document just read is kept for up to a second, within a bound of bytes; a change in this process is seen at once.
 */
import { LRUCache } from 'lru-cache'
import { etagOf } from './etag.ts'
import type { StoredDocument } from './handlers.ts'

/** The body is a string: Node writes head and string in one system call, and head and bytes in a dearer one. */
export type CachedDocument = { etag: string; body: string; readAtMs: number }

export interface Documents {
  get(id: string): CachedDocument | undefined | Promise<CachedDocument | undefined>
  /** The document has changed: the next `get` reads it. */
  forget(id: string): void
}

/** How far behind another process's writes a reply may be. */
export const FRESH_MS = 1000
const OVERHEAD_BYTES = 300

export function openDocuments(load: (ids: readonly string[]) => Promise<StoredDocument[]>, bytesMax: number): Documents {
  const cache = bytesMax > 0 ? new LRUCache<string, CachedDocument>({ maxSize: bytesMax, sizeCalculation: cost }) : undefined
  let waiting = new Map<string, Set<(document: Promise<CachedDocument | undefined>) => void>>()
  let reading: Set<string> | undefined
  let scheduled = false

  /** Reads for everyone who waits now; whoever comes meanwhile waits for the next read. */
  async function readWaiting(): Promise<void> {
    scheduled = true
    await new Promise(setImmediate)
    while (waiting.size > 0) {
      const batch = waiting
      waiting = new Map()
      const current = new Set(batch.keys())
      reading = current
      const readAtMs = performance.now()
      try {
        const documents = new Map((await load([...current])).map(document => [document.id, cached(document, readAtMs)]))
        for (const [id, resolvers] of batch) {
          const document = documents.get(id)
          // A document that was changed while it was being read is given to those who asked before, and not kept.
          if (document && current.has(id)) cache?.set(id, document)
          for (const resolve of resolvers) resolve(Promise.resolve(document))
        }
      } catch (error) {
        for (const resolvers of batch.values()) for (const resolve of resolvers) resolve(Promise.reject(error))
      }
    }
    scheduled = false
  }

  return {
    get(id) {
      const known = cache?.get(id)
      if (known && performance.now() - known.readAtMs < FRESH_MS) return known
      return new Promise(resolve => {
        const resolvers = waiting.get(id) ?? new Set()
        waiting.set(id, resolvers.add(resolve))
        if (!scheduled) readWaiting()
      })
    },
    forget(id) {
      cache?.delete(id)
      reading?.delete(id)
    }
  }
}

function cached({ version, text }: StoredDocument, readAtMs: number): CachedDocument {
  return { etag: etagOf(version), body: text, readAtMs }
}

function cost({ body }: CachedDocument): number {
  // Two bytes a character at most, as V8 keeps it.
  return body.length * 2 + OVERHEAD_BYTES
}
