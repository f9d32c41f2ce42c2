/** Logging: one wide line per unit of work (a request, an event, a timer's turn), written when the unit ends. */
import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'

export type Log = Logger

export function openLog(config: Pick<Config, 'LOG_LEVEL' | 'LOG_FORMAT'>): Log {
  const pretty = config.LOG_FORMAT === 'pretty' || (config.LOG_FORMAT === 'auto' && process.stdout.isTTY)
  const options = {
    level: config.LOG_LEVEL,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`
  }
  if (pretty) {
    return pino({
      ...options,
      transport: { target: 'pino-pretty', options: { singleLine: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' } }
    })
  }
  // Buffered: a system call a line would cost as much as the request. What is left is written when the process ends.
  const destination = pino.destination({ dest: 1, sync: false, minLength: 8192 })
  const flushing = setInterval(() => destination.flush(), 100).unref()
  process.on('exit', () => {
    clearInterval(flushing)
    destination.flushSync()
  })
  return pino(options, destination)
}
