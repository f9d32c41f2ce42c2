import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Holds `directory` against every other process until disposed; waits for its turn. A holder that was killed holds nothing:
 * its claim is taken away by name, so two waiters can never both believe that they removed the same dead holder.
 */
export async function lockDirectory(directory: string, waitMs = 180_000): Promise<AsyncDisposable> {
  const claim = newClaim()
  const lock = join(directory, 'lock')
  const mine = join(directory, `lock.${claim}`)
  await mkdir(mine)
  try {
    await writeFile(join(mine, claim), '')
    const deadline = Date.now() + waitMs
    // Renaming a folder that already names its holder is the atomic step: it succeeds only where `lock` is absent or empty.
    while (!(await renamed(mine, lock))) {
      const holders = await liveClaims(lock)
      if (holders.length === 0) await rmdir(lock).catch(() => {})
      if (Date.now() > deadline) {
        throw new Error(
          `${directory} is held by process ${holders.map(pidOf)} for over ${waitMs / 1000} s. Stop that process and start again.`
        )
      }
      await delay(20)
    }
  } catch (error) {
    await rm(mine, { recursive: true, force: true })
    throw error
  }
  return {
    async [Symbol.asyncDispose]() {
      await rm(join(lock, claim), { force: true })
      await rmdir(lock).catch(() => {})
    }
  }
}

/** A file name that says which process made it, unique within that process. */
export function newClaim(): string {
  return `${processIdentity(process.pid)}.${randomUUID()}`
}

/** The claims in `directory` whose processes live; those of dead processes are deleted. */
export async function liveClaims(directory: string): Promise<string[]> {
  const claims = await readdir(directory).catch(() => [])
  const dead = claims.filter(claim => processIdentity(pidOf(claim)) !== claim.split('.')[0])
  await Promise.all(dead.map(claim => rm(join(directory, claim), { force: true })))
  return claims.filter(claim => !dead.includes(claim))
}

/**
 * Names a living process: its pid and, on Linux, its start time, so that a later process with the same pid (the rule, not the
 * exception, after a container restarts) is not mistaken for it. `undefined` when there is no such process, or only its zombie.
 */
export function processIdentity(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') {
      process.kill(pid, 0)
      return String(pid)
    }
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${pid}-${fields[19]}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? String(pid) : undefined
  }
}

function pidOf(claim: string): number {
  return Number.parseInt(claim, 10)
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    // Windows answers EPERM or EACCES for a folder that is there.
    const code = (error as NodeJS.ErrnoException).code ?? ''
    const taken = process.platform === 'win32' ? ['EPERM', 'EACCES', 'EEXIST', 'ENOTEMPTY'] : ['EEXIST', 'ENOTEMPTY']
    if (taken.includes(code)) return false
    throw error
  }
}
