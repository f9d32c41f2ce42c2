/** Finds the consumer and the log that it is to be fed from, and does it, telling how far it is. */
import { recordOutcomes } from '#platform/audit/audit.ts'
import { auditedCommand } from '#platform/audit/audit-command.ts'
import { type Config, readConfig } from '#platform/config.ts'
import { openLog } from '#platform/log.ts'
import type { Consumer } from '#platform/messaging/consumer.ts'
import { type Range, type Redelivered, readRange, redeliver } from '#platform/messaging/redeliver.ts'
import { type Database, openDatabase } from '#platform/postgres/database.ts'
import { migrate } from '#platform/postgres/migrate.ts'
import { consumersOf, type Service } from '#platform/service.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { openSigner } from '#platform/signing/signing.ts'
import { services } from '../../src/roles.ts'
import { databaseUrlOf } from '../service-database.ts'
import type { RedeliverOptions } from './arguments.ts'

/** It cannot be done, and the message says what can. */
export class Impossible extends Error {}

/** What happens is said on the screen. */
const log = openLog({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' })

/** Says whether every event was handled. Throws `Impossible`. */
export async function run(options: RedeliverOptions, signal: AbortSignal, out: NodeJS.WritableStream): Promise<boolean> {
  const config = readConfig()
  await using stack = new AsyncDisposableStack()
  const databaseUrl = await databaseUrlOf(config, stack)
  const service = serviceNamed(options.consumer.split('.')[0]!)
  const open = async (service: Service) => {
    await mustBeHere(databaseUrl, service.name)
    const url = await migrate(databaseUrl, service, log)
    const nobody = () => {}
    const origin = { source: sourceOf(service.name), announced: nobody, changed: nobody, committed: nobody }
    return stack.use(openDatabase({ url, schema: service.name, poolSize: 2, log, origin }))
  }
  const consumer = consumerNamed(options.consumer, service, await open(service), config)
  const publisher = publisherOf(consumer, options.service)
  const eventLog = publisher === service.name ? consumer.database : await open(serviceNamed(publisher))
  const range = await rangeOf(options, consumer, publisher, eventLog)
  const where = `events of the ${publisher} service at ${range.from} … ${range.to}`
  if (options.dryRun) {
    out.write(`Dry run: ${await counted(eventLog, consumer, range, signal)} ${where} would be handed to ${consumer.name} again\n`)
    return true
  }
  out.write(`Handing ${where} to ${consumer.name} again\n`)
  const audited = auditedCommand('redeliver', { type: 'consumer', id: consumer.name })
  await consumer.database.transact(async tx => recordOutcomes(tx, [{ audited, result: { publisher, ...range } }]))
  const sign = openSigner({ database: eventLog, sealing: openSealing(config.SIGNING_KEY_SECRET) })
  return await tellOutcome(options, range, signal, out, tell =>
    redeliver({ consumer, eventLog, source: sourceOf(publisher), range, signal, sign, tell })
  )
}

const sourceOf = (service: string) => `/${service}-service`

function serviceNamed(name: string): Service {
  const service = services.find(service => service.name === name)
  if (!service) throw new Impossible(`There is no service ${name}. There are ${services.map(each => each.name).join(', ')}.`)
  return service
}

function consumerNamed(name: string, service: Service, database: Database, config: Config): Consumer {
  const consumers = consumersOf(service, database, config, log, { followsUsers: config.USER_CHECKS !== 'off' })
  const consumer = consumers.find(consumer => consumer.name === name)
  if (consumer) return consumer
  const known = consumers.map(({ name }) => name).join(', ') || 'none'
  throw new Impossible(`There is no consumer ${name}. The ${service.name} service has ${known}.`)
}

/** A topic is named after the service that publishes it. */
function publisherOf(consumer: Consumer, asked: string | undefined): string {
  const publishers = [...new Set(consumer.reactions.map(({ event }) => event.topic.split('.')[0]!))]
  if (asked !== undefined && !publishers.includes(asked))
    throw new Impossible(`${consumer.name} reads nothing of the ${asked} service, but of ${publishers.join(', ')}.`)
  if (asked === undefined && publishers.length > 1)
    throw new Impossible(`${consumer.name} reads events of ${publishers.join(', ')}: say whose with --service.`)
  return asked ?? publishers[0]!
}

/** Nothing is created for a service that runs elsewhere, or is somebody else's. */
async function mustBeHere(databaseUrl: string, service: string): Promise<void> {
  await using database = openDatabase({ url: databaseUrl, schema: 'public', poolSize: 1, log })
  const [row] = await database.query<{ here: boolean }>('select to_regclass($1) is not null as here', [`${service}.event_log`])
  if (!row!.here)
    throw new Impossible(
      `This database has no event log of the ${service} service. Only events that our own services published are in one: those of a service of yours are replayed from there, by publishing them again. If it has a database of its own, name that with DATABASE_URL.`
    )
}

async function rangeOf(options: RedeliverOptions, consumer: Consumer, publisher: string, eventLog: Database): Promise<Range> {
  const { from, key } = options
  const unknown = options.types?.filter(type => !consumer.reactions.some(({ event }) => event.type === type)) ?? []
  if (unknown.length > 0) throw new Impossible(`${consumer.name} does not react to ${unknown.join(', ')}.`)
  const [log] = await eventLog.query<{ first: number | null; last: number }>(
    'select (select min(position) from event_log) as first, (select position from event_log_head) as last'
  )
  const { first, last } = log!
  if (first === null)
    throw new Impossible(
      `The event log of the ${publisher} service is empty, so there is nothing to redeliver. Events of an outside ${publisher} service are not in it: publish them there again.`
    )
  if (from < first)
    throw new Impossible(`The event log begins at ${first}: earlier events were kept no longer. Use --from ${first}.`)
  if (from > last) throw new Impossible(`The event log ends at ${last}.`)
  return { from, to: Math.min(options.to ?? last, last), types: options.types, key }
}

async function counted(eventLog: Database, consumer: Consumer, range: Range, signal: AbortSignal): Promise<number> {
  let count = 0
  for await (const { events } of readRange(eventLog, consumer, range)) {
    count += events.length
    if (signal.aborted) break
  }
  return count
}

const TELL_MS = 2_000

async function tellOutcome(
  { consumer, dryRun: _, ...options }: RedeliverOptions,
  range: Range,
  signal: AbortSignal,
  out: NodeJS.WritableStream,
  work: (tell: (so: Redelivered) => void) => Promise<Redelivered>
): Promise<boolean> {
  let last: Redelivered | undefined
  let toldAt = performance.now()
  const goOn = (position: number) => {
    const more = [
      options.types && `--types ${options.types}`,
      options.key && `--key ${options.key}`,
      options.service && `--service ${options.service}`
    ]
    return ['npm run redeliver --', consumer, `--from ${position + 1} --to ${range.to}`, ...more.filter(Boolean)].join(' ')
  }
  try {
    last = await work(so => {
      last = so
      if (performance.now() - toldAt < TELL_MS) return
      toldAt = performance.now()
      out.write(`  up to ${so.position}: ${told(so)}\n`)
    })
  } catch (error) {
    throw new Impossible(`It stopped (${error}). What was done is done; go on with\n  ${goOn(last?.position ?? range.from - 1)}`)
  }
  out.write(`${told(last)}\n`)
  if (signal.aborted && last.position < range.to) out.write(`Interrupted. Go on with\n  ${goOn(last.position)}\n`)
  if (last.parked > 0) out.write('What is parked is tried again by the service by itself.\n')
  if (last.deadLetters > 0) out.write(`See why: npm run dead-letters -- list --consumer ${consumer}\n`)
  return last.parked + last.deadLetters === 0
}

const told = ({ applied, parked, deadLetters, passed }: Redelivered) =>
  `${applied} handled, ${parked} parked, ${deadLetters} dead letters${passed > 0 ? `, ${passed} left out` : ''}`
