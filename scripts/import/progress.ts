/** How far an import is: a bar on a terminal, a plain line every two seconds elsewhere. */
import { SingleBar } from 'cli-progress'

export interface Progress extends Disposable {
  /** So many bytes are done, and what can be said of them. */
  update(bytes: number, what?: string): void
}

const LINE_EVERY_MS = 2000

export function openProgress(title: string, bytes: number, stream: NodeJS.WritableStream): Progress {
  const format = `${title.padEnd(9)} [{bar}] {percentage}% | {what}{duration_formatted}, {eta_formatted} to go`
  const options = { format, noTTYOutput: true, notTTYSchedule: LINE_EVERY_MS, gracefulExit: false, barsize: 30, hideCursor: true }
  const bar = new SingleBar({ ...options, stream })
  bar.start(Math.max(1, bytes), 0, { what: '' })
  return {
    update: (done, what) => bar.update(Math.min(done, Math.max(1, bytes)), { what: what ? `${what} | ` : '' }),
    [Symbol.dispose]: () => bar.stop()
  }
}
