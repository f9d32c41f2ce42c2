import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { processIdentity } from '#platform/postgres/process-lock.ts'
import type { BrokerServer } from './broker-server.ts'
import { freePort } from './free-port.ts'
import { installKafka, kafkaClassArchive, kafkaClassPath } from './kafka-install.ts'

export { installKafka, kafkaInstalled } from './kafka-install.ts'

export type KafkaServer = BrokerServer & {
  port: number
  /** Of the server as it runs now; for tests that stop it without ending it. */
  readonly pid: number
}

export type KafkaOptions = {
  /** Kept when the server is disposed; without it a folder of its own, deleted then. */
  dataDir?: string
  /** Without it a free one. It stays the same over restarts. */
  port?: number
  /** Where clients are told to find the server: a proxy before it. */
  advertisedPort?: number
  protocol?: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SSL' | 'SASL_SSL'
  /** Name and password of those who may come in by SASL, with any of its mechanisms. */
  users?: Readonly<Record<string, string>>
  /** More of Kafka's settings. */
  settings?: Readonly<Record<string, string | number | boolean>>
}

const run = promisify(execFile)
/** On a machine whose cores run other tests; a start takes two seconds of computing. */
const PATIENCE_MS = 180_000
const PREFIX = 'product-service-kafka-'
const JAVA = [
  '-Xms64m',
  '-Xmx320m',
  '-Xss512k',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Xlog:cds=off',
  '-Xlog:cds+dynamic=off'
]

/**
 * Starts a throw-away Apache Kafka on loopback, one node that is broker and controller, installing it first if need be. Those of
 * test runs that were killed are killed and deleted first. It never waits for the disk, as Kafka does not by default.
 */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  await installKafka()
  await removeAbandoned()
  const { dataDir = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`)) } = options
  await mkdir(dataDir, { recursive: true })
  const port = options.port ?? (await freePort())
  const properties = join(dataDir, 'server.properties')
  await writeFile(properties, settingsOf(options, dataDir, port, [await freePort(), await freePort()]))
  if (!existsSync(join(dataDir, 'data', 'meta.properties'))) await format(properties, options.users ?? {})
  let server = await launch(dataDir, properties)

  async function kill(): Promise<void> {
    await end(server.child, 'SIGKILL')
  }
  return {
    url: `kafka://127.0.0.1:${options.advertisedPort ?? port}`,
    port,
    get pid() {
      return server.child.pid!
    },
    kill,
    async start() {
      server = await launch(dataDir, properties)
    },
    async [Symbol.asyncDispose]() {
      await kill()
      if (!options.dataDir) await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
    }
  }
}

function settingsOf(
  options: KafkaOptions,
  dataDir: string,
  port: number,
  [controller, internal]: readonly [number, number]
): string {
  const { protocol = 'PLAINTEXT', users, advertisedPort = port, settings } = options
  const plain = Object.entries(users ?? {}).map(([name, password]) => `user_${name}="${password}"`)
  const module = (kind: string) => `org.apache.kafka.common.security.${kind}`
  const sasl = {
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.clients.plain.sasl.jaas.config': `${module('plain.PlainLoginModule')} required ${plain.join(' ')};`,
    'listener.name.clients.scram-sha-256.sasl.jaas.config': `${module('scram.ScramLoginModule')} required;`,
    'listener.name.clients.scram-sha-512.sasl.jaas.config': `${module('scram.ScramLoginModule')} required;`
  }
  const all = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `CLIENTS://127.0.0.1:${port},INTERNAL://127.0.0.1:${internal},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `CLIENTS://127.0.0.1:${advertisedPort},INTERNAL://127.0.0.1:${internal}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'INTERNAL',
    'listener.security.protocol.map': `CLIENTS:${protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'log.dirs': join(dataDir, 'data'),
    // One node has nobody to copy to.
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.num.partitions': 2,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    // A broker that was killed may come back before its old self is given up; the default is nine seconds.
    'broker.heartbeat.interval.ms': 500,
    'broker.session.timeout.ms': 3000,
    'group.initial.rebalance.delay.ms': 0,
    // What many small servers on one machine can do without.
    'num.network.threads': 2,
    'num.io.threads': 4,
    'log.cleaner.dedupe.buffer.size': 4_194_304,
    ...(users ? sasl : {}),
    ...settings
  }
  return `${Object.entries(all)
    .map(entry => entry.join('='))
    .join('\n')}\n`
}

/** Users of SCRAM are part of a cluster's data, those of PLAIN of its settings. */
async function format(properties: string, users: Readonly<Record<string, string>>): Promise<void> {
  const scram = Object.entries(users).flatMap(([name, password]) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap(mechanism => ['--add-scram', `${mechanism}=[name=${name},password=${password}]`])
  )
  const cluster = ['--cluster-id', randomBytes(16).toString('base64url').replace(/^-/, 'a'), '--config', properties]
  const command = [
    '-Xmx128m',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    kafkaClassPath(),
    'kafka.tools.StorageTool',
    'format',
    ...cluster,
    ...scram
  ]
  await run('java', command, { timeout: PATIENCE_MS })
}

async function launch(dataDir: string, properties: string): Promise<{ child: ChildProcess }> {
  const logFile = join(dataDir, 'kafka.log')
  const log = await open(logFile, 'w')
  const archive = kafkaClassArchive()
  const prepared = existsSync(archive)
  const classes = prepared ? [`-XX:SharedArchiveFile=${archive}`] : ['-XX:+RecordDynamicDumpInfo']
  const say = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info']
  const command = [...JAVA, ...classes, ...say, '-Dlog4j2.disable.jmx=true', '-cp', kafkaClassPath(), 'kafka.Kafka', properties]
  const child = spawn('java', command, { stdio: ['ignore', log.fd, log.fd] })
  await log.close()
  child.once('error', () => {})
  const written = async () => await readFile(logFile, 'utf8').catch(() => '')
  try {
    if (child.pid) await writeFile(join(dataDir, 'process'), processIdentity(child.pid) ?? '')
    for (const deadline = Date.now() + PATIENCE_MS; !/Kafka Server started/.test(await written()); await delay(20)) {
      const over = child.exitCode !== null || child.signalCode !== null || child.pid === undefined
      if (!over && Date.now() < deadline) continue
      throw new Error(`Kafka ${over ? 'stopped while it started' : 'did not start'}:\n${(await written()).slice(-3_000)}`)
    }
  } catch (error) {
    await end(child, 'SIGKILL')
    throw error
  }
  if (!prepared) await keepClasses(child.pid!, archive)
  return { child }
}

/** What takes half of a start: done once, where Java can. */
async function keepClasses(pid: number, archive: string): Promise<void> {
  const partial = `${archive}.${pid}`
  await run('jcmd', [`${pid}`, 'VM.cds', 'dynamic_dump', partial], { timeout: PATIENCE_MS })
    .then(() => rename(partial, archive))
    .catch(() => rm(partial, { force: true }))
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const over = once(child, 'exit')
  child.kill(signal)
  await over
}

async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? 0)
    if (pid === 0 || processIdentity(pid)) continue
    const folder = join(tmpdir(), name)
    const identity = await readFile(join(folder, 'process'), 'utf8').catch(() => '')
    const server = Number.parseInt(identity, 10)
    // Not by its number alone, which may be somebody else's by now.
    if (server > 0 && processIdentity(server) === identity) process.kill(server, 'SIGKILL')
    await rm(folder, { recursive: true, force: true, maxRetries: 5 }).catch(() => {})
  }
}
