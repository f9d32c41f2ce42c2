/**
 * Answers to listings. Whoever asks the same meanwhile shares the reading; a text just read is kept for up to a second, within a bound of
 * bytes. A change in this process is seen by every question that comes after it: what was read before is then neither kept nor shared.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { FRESH_MS } from './documents.ts'

export type KeptText = { text: string; etag: string }

export interface Listings {
  /** The answer to a question; `read` is called when nobody has asked it lately. */
  get(question: string, read: () => Promise<string>): KeptText | Promise<KeptText>
  /** Something changed. */
  forget(): void
}

const OVERHEAD_BYTES = 500

type Kept = KeptText & { readAtMs: number }
type Reading = { readAtMs: number; answer: Promise<KeptText> }

export function openListings(bytesMax: number): Listings {
  const cost = ({ text }: Kept, question: string) => (text.length + question.length) * 2 + OVERHEAD_BYTES
  const kept = bytesMax > 0 ? new LRUCache<string, Kept>({ maxSize: bytesMax, sizeCalculation: cost }) : undefined
  let underWay = new Map<string, Reading>()

  function start(question: string, read: () => Promise<string>): Promise<KeptText> {
    const readAtMs = performance.now()
    const mine = underWay
    const answer = read().then(
      text => {
        const answered = { text, etag: contentTag(text), readAtMs }
        // After a change somebody else may be reading the same for those who came later.
        if (mine === underWay) kept?.set(question, answered)
        if (mine.get(question)?.answer === answer) mine.delete(question)
        return answered
      },
      error => {
        if (mine.get(question)?.answer === answer) mine.delete(question)
        throw error
      }
    )
    mine.set(question, { readAtMs, answer })
    return answer
  }

  const isFresh = ({ readAtMs }: { readAtMs: number }) => performance.now() - readAtMs < FRESH_MS

  return {
    get(question, read) {
      const known = kept?.get(question)
      if (known && isFresh(known)) return known
      const reading = underWay.get(question)
      return reading && isFresh(reading) ? reading.answer : start(question, read)
    },
    forget() {
      if (kept && kept.size > 0) kept.clear()
      if (underWay.size > 0) underWay = new Map()
    }
  }
}

/** A strong tag of the very bytes: a listing has no version. */
function contentTag(text: string): string {
  return `"${createHash('sha1').update(text).digest('base64url')}"`
}
