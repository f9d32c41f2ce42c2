/**
 * npm run planted-bugs [-- ID…]
 *
 * Tests the tests: plants one bug at a time (test/planted-bugs/plants.ts) into a copy of the tree and runs the one test that must notice it,
 * which must turn red; without a plant the same tests must be green. Runs on the PostgreSQL of TEST_DATABASE_URL, else on one of its own.
 */
import { availableParallelism } from 'node:os'
import { plants } from '../test/planted-bugs/plants.ts'
import { startTestServer } from '../test/support/test-server.ts'
import { type Copy, openCopy } from './planted-bugs/copy.ts'
import { judge, soundness, type Verdict } from './planted-bugs/judge.ts'

const asked = process.argv.slice(2)
const unknown = asked.filter(id => !plants.some(plant => plant.id === id))
if (unknown.length > 0)
  throw new Error(`There is no plant ${unknown.join(', ')}; there are ${plants.map(({ id }) => id).join(', ')}`)
const chosen = plants.filter(({ id }) => asked.length === 0 || asked.includes(id))

const started = performance.now()
const seconds = () => Math.round((performance.now() - started) / 1000)
const verdicts: Verdict[] = []
{
  await using stack = new AsyncDisposableStack()
  if (!process.env.TEST_DATABASE_URL) process.env.TEST_DATABASE_URL = stack.use(await startTestServer()).url
  const copies = await Promise.all(Array.from({ length: availableParallelism() }, openCopy))
  for (const copy of copies) stack.use(copy)

  const unsound = new Map<string, string>()
  const byFile = Map.groupBy(chosen, ({ test }) => test.file)
  await inTurn(copies, [...byFile], async (copy, [file, those]) => {
    for (const [name, fault] of await soundness(copy, file, [...new Set(those.map(({ test }) => test.name))]))
      unsound.set(name, fault)
  })
  console.log(
    `${chosen.length - unsound.size} of ${chosen.length} are caught by tests that are green without them (${seconds()} s)`
  )

  await inTurn(copies, chosen, async (copy, plant) => {
    const fault = unsound.get(plant.test.name)
    const verdict = fault ? { id: plant.id, ms: 0, fault } : await judge(copy, plant)
    verdicts.push(verdict)
    const said = verdict.fault ?? plant.test.name
    console.log(`${verdict.fault ? 'MISSED' : 'caught'}  ${plant.id.padEnd(26)} ${String(verdict.ms).padStart(6)} ms  ${said}`)
  })
}
const missed = verdicts.filter(({ fault }) => fault)
console.log(`${verdicts.length - missed.length} of ${chosen.length} planted bugs were caught in ${seconds()} s`)
process.exit(missed.length === 0 ? 0 : 1)

/** Each copy takes what waits, one after another. */
async function inTurn<Item>(
  copies: readonly Copy[],
  items: readonly Item[],
  work: (copy: Copy, item: Item) => Promise<void>
): Promise<void> {
  const waiting = [...items]
  await Promise.all(
    copies.map(async copy => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(copy, item)
    })
  )
}
