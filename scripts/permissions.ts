/**
 * npm run permissions -- rabbitmq [--vhost NAME] | kafka | postgresql   [CONSUMER…] [--json]
 *
 * Prints the rules by which a broker itself holds consumers to what they may read and publish: ours, and those of EVENT_CONSUMERS. As a script
 * to be read and run, or as JSON; for RabbitMQ that is a file of definitions to import. Nothing is changed, and no broker is asked.
 */
import { parseArgs } from 'node:util'
import type { EventConsumer } from '#contracts/event-consumers.ts'
import { ConfigInvalid, readConfig } from '#platform/config.ts'
import { consumersOf } from '#platform/messaging/event-permissions.ts'
import { kafkaCommands, kafkaRules } from './permissions/kafka-rules.ts'
import { postgresqlRules, postgresqlStatements } from './permissions/postgresql-rules.ts'
import { rabbitMqCommands, rabbitMqRules } from './permissions/rabbitmq-rules.ts'

const EXIT_USAGE = 64
const USAGE = 'npm run permissions -- rabbitmq [--vhost NAME] | kafka | postgresql   [CONSUMER…] [--json]'

class Unusable extends Error {}

type Rules = { script: () => string; data: () => object }

const brokers: Readonly<Record<string, (consumers: Record<string, EventConsumer>, vhost: string) => Rules>> = {
  rabbitmq: (consumers, vhost) => {
    const rules = rabbitMqRules(consumers, vhost)
    return { script: () => rabbitMqCommands(rules), data: () => rules }
  },
  kafka: consumers => ({ script: () => kafkaCommands(consumers), data: () => kafkaRules(consumers) }),
  postgresql: consumers => ({ script: () => postgresqlStatements(consumers), data: () => postgresqlRules(consumers) })
}

try {
  console.log(printed(process.argv.slice(2)))
} catch (error) {
  const mendable = error instanceof Unusable || error instanceof ConfigInvalid
  console.error(mendable ? error.message : error)
  process.exitCode = error instanceof Unusable ? EXIT_USAGE : 1
}

function printed(args: string[]): string {
  const { values, positionals } = parsed(args)
  const [broker = '', ...names] = positionals
  if (!Object.hasOwn(brokers, broker)) throw new Unusable(USAGE)
  const all = consumersOf(readConfig().EVENT_CONSUMERS)
  const unknown = names.filter(name => !Object.hasOwn(all, name))
  if (unknown.length > 0)
    throw new Unusable(`There is no consumer ${unknown.join(', ')}; there are ${Object.keys(all).join(', ')}.`)
  const chosen = Object.entries(all).filter(([name]) => names.length === 0 || names.includes(name))
  const { script, data } = brokers[broker]!(Object.fromEntries(chosen), values.vhost)
  return values.json ? JSON.stringify(data(), null, 2) : script()
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { vhost: { type: 'string', default: '/' }, json: { type: 'boolean', default: false } }
    })
  } catch (error) {
    throw new Unusable(`${(error as Error).message}\n${USAGE}`)
  }
}
