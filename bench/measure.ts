/** Measures cases side by side: rounds in rotating order, so that what else the machine does meets them all. */
import { waitForQuiet } from './machine.ts'
import { say } from './progress.ts'

/** What one shot of a case gave, by the names of the table's columns. */
export type Sample = Readonly<Record<string, number>>

export type Case = {
  name: string
  /** The case that its rate is compared with, in the same round. */
  against?: string
  /** Once, before the first round. */
  warmUp?(): Promise<unknown>
  shoot(): Promise<Sample>
}

/** The samples of each case, one per round. */
export type Taken = ReadonlyMap<string, readonly Sample[]>

export async function measure(cases: readonly Case[], rounds: number, warmedUp?: () => Promise<unknown>): Promise<Taken> {
  const taken = new Map(cases.map(({ name }) => [name, [] as Sample[]]))
  for (const each of cases) await each.warmUp?.()
  await warmedUp?.()
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < cases.length; turn++) {
      const each = cases[(turn + round) % cases.length]!
      await waitForQuiet()
      const sample = await each.shoot()
      taken.get(each.name)!.push(sample)
      const figures = Object.entries(sample).filter(([, figure]) => figure !== 0)
      say(`round ${round + 1}/${rounds}  ${each.name}: ${figures.map(([name, figure]) => `${short(figure)} ${name}`).join(', ')}`)
    }
  }
  return taken
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** As many digits as are worth reading. */
export function short(figure: number): string {
  const size = Math.abs(figure)
  if (figure === 0 || size >= 100) return Math.round(figure).toLocaleString('en-US')
  return Number(figure.toPrecision(size >= 10 ? 3 : 2)).toString()
}
