/** A progress bar on a terminal, a plain line every two seconds elsewhere; and whoever waits for a share of the work to be done. */
import { SingleBar } from 'cli-progress'

export interface Progress extends Disposable {
  /** What is going on now. */
  say(what: string): void
  add(effort: number): void
  /** Resolves when this share of the work is done, 0 to 1; never when it is disposed before. */
  reached(share: number): Promise<void>
}

const LINE_EVERY_MS = 2000

/** Without a stream it counts in silence. */
export function openProgress(total: number, stream?: NodeJS.WritableStream): Progress {
  const format = 'replay [{bar}] {percentage}% | {what} | {duration_formatted}, {eta_formatted} to go'
  const options = { format, noTTYOutput: true, notTTYSchedule: LINE_EVERY_MS, gracefulExit: false }
  const bar = stream && new SingleBar({ ...options, stream, barsize: 30, hideCursor: true })
  bar?.start(total, 0, { what: '' })
  let done = 0
  let waiting: { at: number; resolve: () => void }[] = []

  return {
    say: what => bar?.update({ what }),
    add(effort) {
      done += effort
      bar?.update(done)
      for (const { resolve } of waiting.filter(({ at }) => at <= done)) resolve()
      waiting = waiting.filter(({ at }) => at > done)
    },
    reached(share) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const at = share * total
      if (at <= done) resolve()
      else waiting.push({ at, resolve })
      return promise
    },
    [Symbol.dispose]: () => bar?.stop()
  }
}
