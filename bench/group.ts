/** A group of cases that are measured side by side, and what of the limits follows from them. */
import type { LimitName } from './limits.ts'
import type { Case, Sample } from './measure.ts'
import type { Scene } from './scene.ts'

/** The samples of one round, by the name of their case. */
export type Round = (name: string) => Sample

export type Cases = {
  cases: Case[]
  /** What follows from one round for a limit; the median of the rounds counts, or the worst of them. */
  figures: { [Name in LimitName]?: (round: Round) => number }
  worst?: readonly LimitName[]
  /** After warming up, before the first round. */
  warmedUp?(): Promise<unknown>
  /** What is to be said after the last round, such as whether the books balance. */
  afterwards?(): Promise<string[]>
}

export type Group = {
  about: string
  open(scene: Scene): Promise<Cases>
}

/** The rate of a case against another's. */
export function ratio(name: string, against: string): (round: Round) => number {
  return round => round(name)['per s']! / round(against)['per s']!
}

/** Node's CPU time of a request, and PostgreSQL's. */
export function cpu(name: string): (round: Round) => number {
  return round => round(name)['CPU ms']! + round(name)['PG CPU ms']!
}
