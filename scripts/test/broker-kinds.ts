/** The brokers that tests may need, as a table: how a file says so, and how each is started and installed. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { BrokerServer } from '../../test/support/broker-server.ts'
import { canStartKafka } from '../../test/support/brokers.ts'
import { startKafka } from '../../test/support/kafka-server.ts'
import { canStartNginx } from '../../test/support/nginx.ts'
import { canStartRabbitMq, startRabbitMq } from '../../test/support/rabbitmq-server.ts'
import { type Install, installKafkaAndJava, installNginx, installRabbitMq } from './install-brokers.ts'

export type BrokerKind = {
  name: string
  /** The environment variable that names the broker of the run. */
  variable: string
  /** Who says one of these words uses the broker of the run, or starts one for itself. */
  says: { shared: RegExp; own: RegExp }
  url(port: number): string
  canStart(): Promise<boolean>
  start(port: number): Promise<BrokerServer>
  /** Undefined where it cannot be installed. */
  install: Install | undefined
}

export const brokerKinds: readonly BrokerKind[] = [
  {
    name: 'RabbitMQ',
    variable: 'TEST_AMQP_URL',
    says: { shared: /\b(testRabbitMqUrl|TEST_AMQP_URL)\b/, own: /\bstartRabbitMq\b/ },
    url: port => `amqp://guest:guest@127.0.0.1:${port}`,
    canStart: canStartRabbitMq,
    start: port => startRabbitMq({ port }),
    install: installRabbitMq
  },
  {
    name: 'Kafka',
    variable: 'TEST_KAFKA_URL',
    says: { shared: /\b(testKafkaUrl|TEST_KAFKA_URL)\b/, own: /\bstartKafka\b/ },
    url: port => `kafka://127.0.0.1:${port}`,
    canStart: canStartKafka,
    start: port => startKafka({ port }),
    install: installKafkaAndJava
  }
]

/** What tests only ever start for themselves: how a file says so, and how it is installed. */
export type OwnKind = Pick<BrokerKind, 'name' | 'canStart' | 'install'> & { says: Pick<BrokerKind['says'], 'own'> }

export const ownKinds: readonly OwnKind[] = [
  { name: 'nginx', says: { own: /\bstartNginx\b/ }, canStart: canStartNginx, install: installNginx }
]

/** Whether one of these test files, or what it imports of ours, uses it. */
export async function neededBy(
  files: readonly string[],
  { says }: BrokerKind | OwnKind
): Promise<{ shared: boolean; own: boolean }> {
  const needs = { shared: false, own: false }
  const seen = new Set<string>()
  const waiting = files.map(file => resolve(file))
  for (let file = waiting.pop(); file; file = waiting.pop()) {
    if (seen.has(file) || offers.test(file)) continue
    seen.add(file)
    const text = await readFile(file, 'utf8').catch(() => '')
    needs.shared ||= 'shared' in says && says.shared.test(text)
    needs.own ||= says.own.test(text)
    for (const [, path] of text.matchAll(/from '(\.[^']+\.ts)'/g)) waiting.push(resolve(dirname(file), path!))
  }
  return needs
}

/** Where the words are defined. */
const offers = /test\/support\/(brokers|rabbitmq-\w+|kafka-\w+|nginx)\.ts$/
