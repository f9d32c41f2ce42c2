/** What it costs to tell: a row changed, and a row changed with its event in the same transaction. */
import { COUNTERS, type Counter, openCounter } from '../counter.ts'
import type { Group } from '../group.ts'
import type { Sample } from '../measure.ts'
import { startCpu } from '../processes.ts'

const SILENT = 'a row changed, 32 callers'
const TOLD = 'a row changed and its event announced, 32 callers'
const CALLERS = 32

export const announcing: Group = {
  about: 'the outbox row on the way of a write, with no relay at work',
  async open(scene) {
    const counter = await openCounter(await scene.createDatabase('announcing'), scene.stack)
    const shoot = (change: Counter['change']) => async (): Promise<Sample> => {
      const cpu = startCpu(process.pid, scene.postgresPid)
      const until = performance.now() + scene.size.seconds * 1000
      let done = 0
      const caller = async () => {
        while (performance.now() < until) {
          await counter.database.transact(tx => change(tx, Math.floor(Math.random() * COUNTERS)))
          done++
        }
      }
      await Promise.all(Array.from({ length: CALLERS }, caller))
      return { 'per s': done / scene.size.seconds, ...cpu(done) }
    }
    return {
      cases: [
        { name: SILENT, shoot: shoot(counter.change) },
        { name: TOLD, against: SILENT, shoot: shoot(counter.changeAndAnnounce) }
      ],
      figures: { announcing: round => 1 - round(TOLD)['per s']! / round(SILENT)['per s']! }
    }
  }
}
