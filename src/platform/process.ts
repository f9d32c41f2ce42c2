/** How a process ends: SIGTERM and SIGINT stop it in order; a second one, or too long a wait, at once. */
import type { Log } from './log.ts'

/** Resolves at the first SIGTERM or SIGINT. */
export function stopRequested(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1))
        resolve(signal)
      })
    }
  })
}

/** An error nobody handled leaves a state that nobody knows: log it and go, so that whoever supervises starts afresh. */
export function exitOnUnhandled(log: Log): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, error => {
      log.fatal({ unit: 'process', event, err: error }, 'unhandled error')
      process.exit(1)
    })
  }
}
