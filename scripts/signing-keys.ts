/**
 * npm run signing-keys -- list | rotate [--in SECONDS] | revoke KID   [--service product]
 *
 * The keys that sign a service's events, in the database of DATABASE_URL or else of DATA_DIR, whether the service runs or not. `rotate`
 * publishes a key that takes over by itself once every copy of the key set can have it. `revoke` takes a key out at once: what it signed is
 * refused from then on, by everybody who asks for the keys anew.
 */
import { parseArgs } from 'node:util'
import { auditedCommand } from '#platform/audit/audit-command.ts'
import { ConfigInvalid, readConfig } from '#platform/config.ts'
import { openLog } from '#platform/log.ts'
import { openDatabase } from '#platform/postgres/database.ts'
import { migrate } from '#platform/postgres/migrate.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { LEAD_SECONDS, readSigningKeys, revokeSigningKey, rotateSigningKey } from '#platform/signing/signing-keys.ts'
import { databaseUrlOf, serviceNamed } from './service-database.ts'

const EXIT_USAGE = 64
const USAGE = 'npm run signing-keys -- list | rotate [--in SECONDS] | revoke KID   [--service product]'

class Unusable extends Error {}

try {
  await run(process.argv.slice(2))
} catch (error) {
  const mendable = error instanceof Unusable || error instanceof ConfigInvalid
  console.error(mendable ? error.message : error)
  process.exitCode = error instanceof Unusable ? EXIT_USAGE : 1
}

async function run(args: string[]): Promise<void> {
  const { command, kid, serviceName, seconds } = read(args)
  const service = serviceNamed(serviceName)
  if (!service) throw new Unusable(`There is no service ${serviceName}.`)
  await using stack = new AsyncDisposableStack()
  const config = readConfig()
  const log = openLog({ LOG_LEVEL: 'warn', LOG_FORMAT: 'auto' })
  const url = await migrate(await databaseUrlOf(config, stack), service, log)
  const database = stack.use(openDatabase({ url, schema: service.name, poolSize: 1, log }))
  const sealing = openSealing(config.SIGNING_KEY_SECRET)

  if (command === 'rotate') {
    const next = await rotateSigningKey(
      database,
      sealing,
      seconds,
      auditedCommand('signing-keys rotate', { type: 'signing-key', id: null })
    )
    console.log(`${next.kid} ${next.made ? 'is published, and' : 'waits already: it'} signs from ${next.activeFrom}`)
  } else if (command === 'revoke') {
    const audited = auditedCommand('signing-keys revoke', { type: 'signing-key', id: kid! })
    const revoked = await revokeSigningKey(database, sealing, kid!, audited)
    if (!revoked) throw new Unusable(`${serviceName} has no key ${kid}.`)
    console.log(`${kid} is revoked; ${revoked.active} signs`)
  }
  for (const key of (await readSigningKeys(database)).toReversed()) {
    const until = key.revoked_at ? `, revoked ${key.revoked_at}` : key.state === 'retired' ? ` to ${key.retired_at}` : ''
    console.log(`${key.kid}  ${key.state.padEnd(7)}  from ${key.active_from}${until}${key.sealed ? '' : ', not sealed'}`)
  }
}

function read(args: string[]) {
  const { values, positionals } = parsed(args)
  const [command, kid, ...more] = positionals
  const seconds = values.in === undefined ? LEAD_SECONDS : Number(values.in)
  const isKnown = command === 'list' || command === 'rotate' || command === 'revoke'
  if (!isKnown || more.length > 0 || (command === 'revoke') !== (kid !== undefined) || !(seconds >= 0)) throw new Unusable(USAGE)
  return { command, kid, serviceName: values.service, seconds }
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { service: { type: 'string', default: 'product' }, in: { type: 'string' } }
    })
  } catch (error) {
    throw new Unusable(`${(error as Error).message}\n${USAGE}`)
  }
}
