/**
 * The program as it is, in a world where things go wrong: `node webhooks-process.ts ROLE …`. Lines of its input arm failpoints, and the file
 * NAMES is its name server: what it says of a name holds from the next question on.
 */
import dns from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { createInterface } from 'node:readline'
import { armFailpoints } from '#platform/failpoint.ts'
import type { Names } from './webhook-world.ts'

const lookUp = dns.lookup
Object.assign(dns, {
  async lookup(host: string, options: { all: true }) {
    const names = JSON.parse(await readFile(process.env.NAMES!, 'utf8')) as Names
    const address = names[host]
    if (address === undefined) return lookUp(host, options)
    if (address === null) throw Object.assign(new Error('there is no such name'), { code: 'ENOTFOUND' })
    return [{ address, family: 4 }]
  }
})
syncBuiltinESMExports()

createInterface({ input: process.stdin })
  .on('line', line => armFailpoints(line))
  // The world ended without a word.
  .once('close', () => process.exit(2))
// The program ends by having nothing left to do.
process.stdin.unref()
await import('../../src/main.ts')
