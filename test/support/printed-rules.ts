/** What `npm run permissions` prints, and what a shell makes of it. */
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const TIMEOUT_MS = 240_000

/** Runs `npm run permissions` as an operator does, with a setting. Rejects when it fails. */
export async function printedRules(consumers: object, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, EVENT_CONSUMERS: JSON.stringify({ consumers }) }
  const { stdout } = await run(process.execPath, ['scripts/permissions.ts', ...args], { env, timeout: TIMEOUT_MS })
  return stdout
}

/** The words that a script hands to a program, call by call: run by a real shell, with a program of that name that tells them. */
export async function callsOf(program: string, script: string): Promise<string[][]> {
  const folder = await mkdtemp(join(tmpdir(), 'printed-rules-'))
  try {
    const file = join(folder, program)
    await writeFile(file, '#!/bin/sh\nprintf "%s\\n" "$@"\necho\n')
    await chmod(file, 0o755)
    const env = {
      ...process.env,
      PATH: [folder, process.env.PATH].join(delimiter),
      KAFKA: 'kafka:9092',
      KAFKA_ADMIN: 'admin.properties'
    }
    const { stdout } = await run('sh', ['-e', '-c', script], { env, timeout: TIMEOUT_MS })
    return stdout
      .split('\n\n')
      .filter(call => call !== '')
      .map(call => call.split('\n'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
