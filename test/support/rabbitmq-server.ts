import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { processIdentity } from '#platform/postgres/process-lock.ts'
import type { BrokerServer } from './broker-server.ts'
import { dockerWorks } from './docker.ts'
import { freePort } from './free-port.ts'
import { type RabbitMqNode, rabbitMqContainer } from './rabbitmq-container.ts'
import { installedRabbitMq, killAbandonedNode, rabbitMqNode } from './rabbitmq-node.ts'

export type RabbitMqServer = BrokerServer & {
  /** Runs an Erlang expression in the node, such as one that raises an alarm; resolves with its value as Erlang writes it. */
  evaluate(expression: string): Promise<string>
}

export type RabbitMqOptions = {
  /** Kept when the server is disposed; without it a folder of its own, deleted then. */
  dataDir?: string
  /** Without it a free one. It stays the same over restarts. */
  port?: number
  /** Lines of rabbitmq.conf, such as those of a TLS listener. */
  configuration?: readonly string[]
}

/** On a machine whose cores run other tests; a start takes about seven seconds. */
const PATIENCE_MS = 120_000
const PREFIX = 'product-service-rabbitmq-'

/**
 * Starts a throw-away RabbitMQ on loopback, from what is installed, else from Docker; those of test runs that were killed are
 * killed and deleted first. Its user is guest.
 */
export async function startRabbitMq(options: RabbitMqOptions = {}): Promise<RabbitMqServer> {
  await removeAbandoned()
  const {
    dataDir = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`)),
    port = await freePort(),
    configuration = []
  } = options
  await mkdir(dataDir, { recursive: true })
  const node = await placed(dataDir, port, configuration)

  async function start(): Promise<void> {
    await node.start()
    for (const deadline = Date.now() + PATIENCE_MS; !(await answers(port)); await delay(50)) {
      const over = await node.over()
      if (!over && Date.now() < deadline) continue
      const what = over ? 'stopped while it started' : `did not start within ${PATIENCE_MS} ms`
      throw new Error(`RabbitMQ ${what}:\n${(await node.output()).slice(-2_000)}`)
    }
  }

  async function dispose(): Promise<void> {
    await node.kill()
    await node.remove()
    if (!options.dataDir) await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  }

  try {
    await start()
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    start,
    kill: () => node.kill(),
    evaluate: expression => node.evaluate(expression),
    [Symbol.asyncDispose]: dispose
  }
}

/** Whether `startRabbitMq` finds something to start. */
export async function canStartRabbitMq(): Promise<boolean> {
  return (await installedRabbitMq()) !== undefined || dockerWorks()
}

async function placed(dataDir: string, port: number, configuration: readonly string[]): Promise<RabbitMqNode> {
  const program = await installedRabbitMq()
  if (program) return rabbitMqNode(program, dataDir, port, await freePort(), configuration)
  if (!(await dockerWorks())) throw new Error('RabbitMQ is not installed here: on Debian, apt-get install rabbitmq-server')
  // The container's user reads our certificates.
  await chmod(dataDir, 0o755)
  return rabbitMqContainer(dataDir, port, configuration)
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    // What stands before a container accepts at once; only the server itself waits for a client to speak first.
    const patience = setTimeout(() => settle(true), 200)
    const settle = (answer: boolean) => {
      clearTimeout(patience)
      socket.destroy()
      resolve(answer)
    }
    socket.on('error', () => settle(false)).on('close', () => settle(false))
  })
}

async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? 0)
    if (owner === 0 || processIdentity(owner)) continue
    const folder = join(tmpdir(), name)
    // What belongs to another user, or is being removed by a run beside this one, is not ours to worry about.
    await killAbandonedNode(folder)
      .then(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
      .catch(() => {})
  }
}
