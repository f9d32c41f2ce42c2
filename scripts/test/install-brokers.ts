/** How brokers, and nginx, get onto a machine that has none: what it does is said before it is done. */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { installKafka } from '../../test/support/kafka-server.ts'

/** What is done, as the beginning of a question, and the doing. */
export type Install = { what: string; run(): Promise<void> }

const debian = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')

/** RabbitMQ from Debian's packages, for root; undefined where that is not possible. */
export const installRabbitMq: Install | undefined = debian
  ? { what: 'Install rabbitmq-server with apt-get, without starting it as a service', run: () => aptInstall('rabbitmq-server') }
  : undefined

/** nginx from Debian's packages, for root; undefined where that is not possible. */
export const installNginx: Install | undefined = debian
  ? { what: 'Install nginx with apt-get, without starting it as a service', run: () => aptInstall('nginx') }
  : undefined

/** Kafka's own jars through Maven into a cache; Java and Maven from Debian's packages where they are missing. */
export const installKafkaAndJava: Install = {
  what: 'Download Apache Kafka through Maven into ~/.cache (needs Java and Maven, with apt-get if need be)',
  async run() {
    const missing = []
    if (!(await works('java'))) missing.push('default-jre-headless')
    if (!(await works('mvn'))) missing.push('maven')
    if (missing.length > 0 && debian) await aptInstall(...missing)
    const began = performance.now()
    const progress = setInterval(
      () => console.log(`  still downloading after ${Math.round((performance.now() - began) / 1000)} s`),
      5_000
    )
    try {
      await installKafka(console.log)
    } finally {
      clearInterval(progress)
    }
  }
}

/** What Debian's packages ask whether they may start a service. */
const POLICY = '/usr/sbin/policy-rc.d'
const TIMEOUT_MS = 600_000

async function aptInstall(...packages: readonly string[]): Promise<void> {
  const ours = !existsSync(POLICY)
  if (ours) await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    await aptGet('update')
    await aptGet('install', '--yes', '--no-install-recommends', ...packages)
  } finally {
    if (ours) await rm(POLICY, { force: true })
  }
}

/** Its output is the progress. */
async function aptGet(...args: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const child = spawn('apt-get', args, { env, stdio: ['ignore', 'inherit', 'inherit'], timeout: TIMEOUT_MS })
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new Error(`apt-get ${args.join(' ')} ended with ${code}`)
}

function works(program: string): Promise<boolean> {
  return promisify(execFile)(program, ['-version'], { timeout: 20_000 }).then(
    () => true,
    () => false
  )
}
