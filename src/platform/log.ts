/** Logging: one wide line per unit of work (a request, an event, a timer's turn), written when the unit ends. */
import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'

export type Log = Logger

export function openLog(config: Pick<Config, 'LOG_LEVEL' | 'LOG_FORMAT'>): Log {
  const pretty = config.LOG_FORMAT === 'pretty' || (config.LOG_FORMAT === 'auto' && process.stdout.isTTY)
  const options = {
    level: config.LOG_LEVEL,
    base: null,
    redact: { paths: ['authorization', 'headers.authorization', '*.password', '*.secret'], censor: '[secret]' },
    timestamp: () => `,"time":"${new Date().toISOString()}"`
  }
  if (pretty) {
    return pino({
      ...options,
      transport: { target: 'pino-pretty', options: { singleLine: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' } }
    })
  }
  // Synchronous, so that the last lines before a crash are not lost; reads are logged at debug only.
  return pino(options, pino.destination({ dest: 1, sync: true }))
}
