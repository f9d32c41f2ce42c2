/** Runs imports as the Product Service's timers do, in a process that a test kills: `node import-process.ts URL`. */
import { readConfig } from '#platform/config.ts'
import { openLog } from '#platform/log.ts'
import { openDatabase } from '#platform/postgres/database.ts'
import { every, startTimers } from '#platform/timers.ts'
import { runImports } from '../../src/services/product/imports/run-imports.ts'

const [url] = process.argv.slice(2)
const config = readConfig({ NODE_ENV: 'test', LOG_LEVEL: 'error', LOG_FORMAT: 'json' })
const log = openLog(config)
const database = openDatabase({ url: url!, schema: 'product', poolSize: 5, log })
startTimers({ database, timers: [every('runImports', () => 20, runImports)], config, log })
