/** Servers from Docker, for machines on which a broker is not installed. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Whether there is a Docker that runs containers for us. */
export function dockerWorks(): Promise<boolean> {
  works ??= docker('version', '--format', '{{.Server.Version}}').then(
    () => true,
    () => false
  )
  return works
}

let works: Promise<boolean> | undefined

/** The first `run` may have to download an image. */
const PATIENCE_MS = 600_000

/** Runs one command of Docker; resolves with what it prints. */
export async function docker(...args: readonly string[]): Promise<string> {
  const timeout = args[0] === 'version' ? 5_000 : PATIENCE_MS
  return (await promisify(execFile)('docker', args, { timeout })).stdout.trim()
}
