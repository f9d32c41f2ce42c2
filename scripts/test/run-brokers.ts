/**
 * The brokers of a test run, and nginx: those that the chosen files need and nobody has named in the environment. Each comes from what is
 * installed, else from Docker, else it is installed. They are named at once and start beside the first tests.
 */
import { createInterface } from 'node:readline/promises'
import type { BrokerServer } from '../../test/support/broker-server.ts'
import { freePort } from '../../test/support/free-port.ts'
import { type BrokerKind, brokerKinds, neededBy, type OwnKind, ownKinds } from './broker-kinds.ts'

export type RunBrokers = AsyncDisposable & {
  /** What could not be had, in sentences: the tests that need it are skipped. */
  missing: readonly string[]
}

/** `failed` is told when a broker does not come up. */
export async function startBrokers(
  files: readonly string[],
  failed: (error: Error) => void,
  kinds: readonly (BrokerKind | OwnKind)[] = [...brokerKinds, ...ownKinds]
): Promise<RunBrokers> {
  const starting: Promise<BrokerServer | undefined>[] = []
  const missing: string[] = []
  for (const kind of kinds) {
    const needs = await neededBy(files, kind)
    const shared = 'variable' in kind && needs.shared && !process.env[kind.variable] ? kind : undefined
    if (!needs.own && !shared) continue
    if (!(await had(kind))) missing.push(`${kind.name} could not be had: its tests were SKIPPED`)
    else if (shared) {
      const port = await freePort()
      process.env[shared.variable] = shared.url(port)
      starting.push(start(shared, port, failed))
    }
  }
  return {
    missing,
    async [Symbol.asyncDispose]() {
      for (const server of await Promise.all(starting)) await server?.[Symbol.asyncDispose]()
    }
  }
}

async function start(kind: BrokerKind, port: number, failed: (error: Error) => void): Promise<BrokerServer | undefined> {
  const began = performance.now()
  console.log(`${kind.name} starts beside the first tests, on port ${port}`)
  try {
    const server = await kind.start(port)
    console.log(`${kind.name} is up after ${((performance.now() - began) / 1000).toFixed(1)} s`)
    return server
  } catch (error) {
    failed(new Error(`${kind.name} did not come up: ${(error as Error).message}`))
    return undefined
  }
}

async function had(kind: BrokerKind | OwnKind): Promise<boolean> {
  if (await kind.canStart()) return true
  if (!kind.install) return false
  if (!process.env.CI && process.stdin.isTTY && !(await agreed(`${kind.name} is not here. ${kind.install.what}?`))) return false
  console.log(`${kind.name} is not here: ${kind.install.what}`)
  try {
    await kind.install.run()
  } catch (error) {
    console.error(`${kind.name} could not be installed: ${(error as Error).message}`)
  }
  return kind.canStart()
}

async function agreed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return /^y/i.test(await terminal.question(`${question} [y/N] `))
  } finally {
    terminal.close()
  }
}
