/**
 * npm run check [-- NAME…]
 *
 * Everything that can be said about the code without running it, at once: types, lint and format, dead code, the rules of the house, and
 * whether generated files are what the code says. Prints one line per check, and the whole output of those that failed.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'

const colours = process.stdout.isTTY ? 'force' : 'off'
const checks: Readonly<Record<string, readonly string[]>> = {
  types: ['tsc', '-p', '.'],
  architecture: ['node', '--test', '--test-reporter=spec', 'test/architecture.test.ts'],
  'dead code': ['knip', '--no-progress', '--treat-config-hints-as-errors'],
  style: ['biome', 'ci', `--colors=${colours}`, '--error-on-warnings', '.'],
  contracts: ['node', 'src/contracts/generate.ts', '--check'],
  configuration: ['node', 'scripts/configuration.ts', '--check'],
  metrics: ['node', 'scripts/metrics.ts', '--check']
}

const root = join(import.meta.dirname, '..')
const chosen = process.argv.slice(2)
const unknown = chosen.filter(name => !(name in checks))
if (unknown.length > 0) throw new Error(`There is no check ${unknown.join(', ')}; there are ${Object.keys(checks).join(', ')}`)

const waiting = Object.entries(checks).filter(([name]) => chosen.length === 0 || chosen.includes(name))
const failed: string[] = []
const started = performance.now()
await Promise.all(Array.from({ length: availableParallelism() }, work))
console.log(
  `${failed.length === 0 ? 'all is well' : `failed: ${failed.join(', ')}`} (${Math.round(performance.now() - started)} ms)`
)
process.exitCode = failed.length === 0 ? 0 : 1

/** Takes what waits, one after another. */
async function work(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const [name, command] = next
    const started = performance.now()
    const { ok, output } = await run(command)
    console.log(`${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(14)} ${String(Math.round(performance.now() - started)).padStart(6)} ms`)
    if (ok) continue
    failed.push(name)
    console.log(`\n${command.join(' ')}\n\n${output.trim()}\n`)
  }
}

async function run([program, ...args]: readonly string[]): Promise<{ ok: boolean; output: string }> {
  const path = [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  const child = spawn(program === 'node' ? process.execPath : program!, args, {
    cwd: root,
    // Windows knows packages' programs by other names.
    shell: process.platform === 'win32' && program !== 'node',
    env: { ...process.env, PATH: path, ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }) },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const ended = new Promise<boolean>((resolve, reject) => child.once('error', reject).once('close', code => resolve(code === 0)))
  const [ok, ...output] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  return { ok, output: output.join('') }
}
