/** Whether a test notices a bug: green without it, red with it, and red itself rather than something around it. */
import { join } from 'node:path'
import { run } from 'node:test'
import type { Plant } from '../../test/planted-bugs/plants.ts'
import type { Copy } from './copy.ts'

/** `fault`: why the bug was not caught. */
export type Verdict = { id: string; ms: number; fault?: string }

type Outcome = 'passed' | 'failed' | 'not run'

/** On a machine whose cores do other things as well. */
const TEST_TIMEOUT_MS = 240_000

/** Runs the tests of one file that are to notice something, without any bug: what is wrong with them, by their names. */
export async function soundness(copy: Copy, file: string, names: readonly string[]): Promise<Map<string, string>> {
  const outcomes = await outcomesOf(copy, file, names)
  const faults = names.map(name => [name, outcomes.get(name) ?? 'not run'] as const).filter(([, outcome]) => outcome !== 'passed')
  return new Map(faults.map(([name, outcome]) => [name, `without the bug, '${name}' of ${file} has ${outcome}`]))
}

/** Plants the bug and runs its test. */
export async function judge(copy: Copy, plant: Plant): Promise<Verdict> {
  const started = performance.now()
  const fault = await faultOf(copy, plant)
  return { id: plant.id, ms: Math.round(performance.now() - started), ...(fault ? { fault } : {}) }
}

async function faultOf(copy: Copy, plant: Plant): Promise<string | undefined> {
  const { file, name } = plant.test
  try {
    await using _ = await copy.plant(plant)
    const outcome = (await outcomesOf(copy, file, [name])).get(name) ?? 'not run'
    return outcome === 'failed' ? undefined : `with the bug, '${name}' of ${file} has ${outcome}`
  } catch (error) {
    return (error as Error).message
  }
}

/** What became of tests of a file; those before which something around them failed are left out. */
async function outcomesOf(copy: Copy, file: string, names: readonly string[]): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  const events = run({
    cwd: copy.path,
    files: [join(copy.path, file)],
    testNamePatterns: names.map(name => new RegExp(`${name.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`)),
    timeout: TEST_TIMEOUT_MS
  })
  events.on('test:pass', ({ name, skip }) => {
    if (names.includes(name) && skip === undefined) outcomes.set(name, 'passed')
  })
  events.on('test:fail', ({ name }) => {
    if (names.includes(name)) outcomes.set(name, 'failed')
  })
  for await (const _ of events);
  return outcomes
}
