/**
 * npm run audit -- verify [--expect POSITION:HASH] | export [--format ndjson|csv] [filters] | prune --before DATE   [--service product]
 *
 * The audit log of a service, in the database of DATABASE_URL or else of DATA_DIR, whether the service runs or not. `verify` makes the whole chain
 * anew and says where it is not what was written; --expect is where it once stood, as a log or a person kept it. `export` writes the chain to
 * standard output. `prune` deletes what is older, and is the only thing that does. Exit code 0 when all is well, 1 when the chain is broken or
 * something failed, 64 when it was not understood.
 */
import { ConfigInvalid, readConfig } from '#platform/config.ts'
import { openLog } from '#platform/log.ts'
import { openDatabase } from '#platform/postgres/database.ts'
import { migrate } from '#platform/postgres/migrate.ts'
import { type AuditOptions, readArguments, UsageError } from './audit/arguments.ts'
import { commands } from './audit/commands.ts'
import { databaseUrlOf, serviceNamed } from './service-database.ts'

const EXIT_USAGE = 64

try {
  const isWell = await run(readArguments(process.argv.slice(2)))
  process.exitCode = isWell ? 0 : 1
} catch (error) {
  const mendable = error instanceof UsageError || error instanceof ConfigInvalid
  console.error(mendable ? error.message : error)
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1
}

async function run(options: AuditOptions): Promise<boolean> {
  const { serviceName } = options
  const service = serviceNamed(serviceName)
  if (!service) throw new UsageError(`There is no service ${serviceName}.`)
  await using stack = new AsyncDisposableStack()
  const config = readConfig()
  const log = openLog({ LOG_LEVEL: 'warn', LOG_FORMAT: 'auto' })
  const adminUrl = await databaseUrlOf(config, stack)
  const url = await migrate(adminUrl, service, log)
  const database = stack.use(openDatabase({ url, schema: service.name, poolSize: 2, log }))
  const admin = stack.use(openDatabase({ url: adminUrl, schema: service.name, poolSize: 1, log }))
  return await commands[options.command]({ database, admin, config, options, out: process.stdout })
}
