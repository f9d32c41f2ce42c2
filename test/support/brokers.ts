/** The brokers of a test run: those that `npm test` has started or the user has named, else one that this test file starts for itself. */
import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { after } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { BrokerServer } from './broker-server.ts'
import { kafkaInstalled, startKafka } from './kafka-server.ts'
import { canStartRabbitMq, startRabbitMq } from './rabbitmq-server.ts'

/** Why a test that starts a RabbitMQ of its own, to crash it, is skipped; false where it is not. */
export const noOwnRabbitMq = (await canStartRabbitMq()) ? false : 'RabbitMQ is neither installed here nor to be had from Docker'
/** Why a test that needs any RabbitMQ is skipped; false where it is not. */
export const noRabbitMq = process.env.TEST_AMQP_URL ? false : noOwnRabbitMq
/** The same for Kafka. */
export const noOwnKafka = (await canStartKafka()) ? false : 'Kafka is not installed here: npm test installs it where there is Maven'
export const noKafka = process.env.TEST_KAFKA_URL ? false : noOwnKafka

/** The URL of the RabbitMQ of this run, once it takes clients. It is shared: use names that nobody else has. */
export function testRabbitMqUrl(): Promise<string> {
  return brokerUrl('TEST_AMQP_URL', startRabbitMq)
}

/** The same for Kafka. */
export function testKafkaUrl(): Promise<string> {
  return brokerUrl('TEST_KAFKA_URL', startKafka)
}

/** Whether Kafka can be started without downloading anything. */
export async function canStartKafka(): Promise<boolean> {
  if (!kafkaInstalled()) return false
  return promisify(execFile)('java', ['-version'], { timeout: 10_000 }).then(
    () => true,
    () => false
  )
}

/** `npm test` names a broker before it is up, so that tests without one need not wait for it. */
const PATIENCE_MS = 120_000
const started = new Map<string, Promise<BrokerServer>>()

after(async () => {
  for (const server of started.values()) await (await server)[Symbol.asyncDispose]()
})

async function brokerUrl(variable: string, start: () => Promise<BrokerServer>): Promise<string> {
  const url = process.env[variable]
  if (!url) {
    const server = started.get(variable) ?? start()
    started.set(variable, server)
    return (await server).url
  }
  // Of several, such as kafka://one:9092,two:9092, the first.
  const { hostname, port } = new URL(url.split(',', 1)[0]!)
  const assumed = variable === 'TEST_KAFKA_URL' ? 9092 : 5672
  for (const deadline = Date.now() + PATIENCE_MS; !(await answers(hostname, Number(port || assumed))); await delay(50)) {
    if (Date.now() > deadline) throw new Error(`nothing answers at ${hostname}:${port}, which ${variable} names`)
  }
  return url
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, host, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
