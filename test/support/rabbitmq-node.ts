/** A RabbitMQ node from what is installed: apart from any other node of the machine, and without epmd. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { access, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import type { RabbitMqNode } from './rabbitmq-container.ts'

/** The program that starts a node; Debian's wrapper on the path will not do, since it changes to another user. */
export async function installedRabbitMq(): Promise<string | undefined> {
  const folders = ['/usr/lib/rabbitmq/bin', ...(process.env.PATH ?? '').split(delimiter), '/opt/homebrew/sbin', '/usr/local/sbin']
  for (const folder of folders.filter(folder => folder !== '/usr/sbin' && folder !== '/sbin')) {
    const program = join(folder, 'rabbitmq-server')
    if (await isThere(program)) return program
  }
  return undefined
}

/** A node that keeps everything in `dataDir`. `distributionPort` is how `evaluate` reaches it. */
export async function rabbitMqNode(
  program: string,
  dataDir: string,
  port: number,
  distributionPort: number,
  configuration: readonly string[]
): Promise<RabbitMqNode> {
  const file = (name: string) => join(dataDir, name)
  const name = `rabbit${port}@localhost`
  const distribution = ['-start_epmd', 'false', '-erl_epmd_port', String(distributionPort), '-setcookie', `tests${port}`]
  // Named from the start, the node asks for no epmd; and it does not keep the cores busy while it waits.
  const erlang = ['-noinput', '-sname', name, ...distribution, '-kernel', 'inet_dist_use_interface', '{127,0,0,1}', '+sbwt', 'none']
  const environment = {
    ...process.env,
    HOME: dataDir,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: name,
    RABBITMQ_CONFIG_FILE: file('rabbitmq.conf'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins'),
    RABBITMQ_MNESIA_BASE: file('data'),
    RABBITMQ_LOG_BASE: file('log'),
    RABBITMQ_PID_FILE: file('pid'),
    // The script then becomes the node instead of standing before it.
    RABBITMQ_ALLOW_INPUT: 'true',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: erlang.join(' ')
  }
  const lines = [`listeners.tcp.1 = 127.0.0.1:${port}`, 'log.console = true', 'log.file = false', ...configuration]
  await writeFile(file('rabbitmq.conf'), `${lines.join('\n')}\n`)
  await writeFile(file('enabled_plugins'), '[].\n')
  let node: ChildProcess | undefined
  const over = () => !node || node.exitCode !== null || node.signalCode !== null

  return {
    async start() {
      const output = openSync(file('output'), 'a')
      // Detached, it leads a process group, which is killed as a whole.
      node = spawn(program, { cwd: dataDir, env: environment, detached: true, stdio: ['ignore', output, output] })
      closeSync(output)
      await once(node, 'spawn')
      await writeFile(file('node.pid'), String(node.pid))
    },
    async kill() {
      if (!node || over()) return
      const gone = once(node, 'exit')
      killGroup(node.pid!)
      await gone
    },
    over: async () => over(),
    output: () => readFile(file('output'), 'utf8'),
    async evaluate(expression) {
      const scanned = `{ok, T, _} = erl_scan:string(${JSON.stringify(`${expression}.`)}), {ok, E} = erl_parse:parse_exprs(T)`
      const asked = `{value, V, _} = rpc:call('${name}', erl_eval, exprs, [E, []], 30000), io:format("~0p", [V]), halt(0).`
      const asker = ['-noinput', '-hidden', '-dist_listen', 'false', '-sname', `tests${process.pid}@localhost`, ...distribution]
      const { stdout } = await promisify(execFile)('erl', [...asker, '-eval', `${scanned}, ${asked}`], { timeout: 40_000 })
      return stdout
    },
    remove: async () => {}
  }
}

/** Kills the node that a killed test run has left in this folder. */
export async function killAbandonedNode(dataDir: string): Promise<void> {
  const pid = Number(await readFile(join(dataDir, 'node.pid'), 'utf8').catch(() => '0'))
  // By now the number may be that of somebody else's process.
  if (pid > 0 && (await commandOf(pid)).includes(dataDir)) killGroup(pid)
}

async function commandOf(pid: number): Promise<string> {
  const { stdout } = await promisify(execFile)('ps', ['-p', String(pid), '-o', 'command=', '-ww']).catch(() => ({ stdout: '' }))
  return stdout
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}
