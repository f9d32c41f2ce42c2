import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { docker } from './docker.ts'

/** How a node is run: by what is installed or by Docker. */
export type RabbitMqNode = {
  start(): Promise<void>
  kill(): Promise<void>
  /** Whether it has ended by itself. */
  over(): Promise<boolean>
  output(): Promise<string>
  evaluate(expression: string): Promise<string>
  /** Deletes what `kill` keeps for another `start`. */
  remove(): Promise<void>
}

const IMAGE = 'rabbitmq:4'

/** A node in a container that is deleted with it; `dataDir` is there under the same path, for certificates. */
export function rabbitMqContainer(dataDir: string, port: number, configuration: readonly string[]): RabbitMqNode {
  const name = `product-service-rabbitmq-${process.pid}-${port}`
  let created = false
  return {
    async start() {
      if (created) return void (await docker('start', name))
      const file = join(dataDir, 'tests.conf')
      // What listens on loopback in a container is not reached from outside.
      await writeFile(file, `${configuration.join('\n').replaceAll('127.0.0.1:', '0.0.0.0:')}\n`)
      const mounts = ['-v', `${file}:/etc/rabbitmq/conf.d/90-tests.conf:ro`, '-v', `${dataDir}:${dataDir}:ro`]
      // Port by port, so that a TLS listener of the configuration is reached as it is installed: under its own number.
      const ports = configuration
        .flatMap(line => /^listeners\.ssl.*:(\d+)$/.exec(line)?.[1] ?? [])
        .flatMap(ssl => ['-p', `127.0.0.1:${ssl}:${ssl}`])
      await docker('run', '-d', '--name', name, '--hostname', name, '-p', `127.0.0.1:${port}:5672`, ...ports, ...mounts, IMAGE)
      created = true
    },
    async kill() {
      if (created && !(await over())) await docker('kill', '--signal', 'KILL', name)
    },
    over,
    output: () => docker('logs', '--tail', '50', name),
    evaluate: expression => docker('exec', name, 'rabbitmqctl', 'eval', `${expression}.`),
    async remove() {
      if (created) await docker('rm', '-f', '-v', name)
    }
  }

  async function over(): Promise<boolean> {
    return (await docker('inspect', '--format', '{{.State.Running}}', name)) !== 'true'
  }
}
