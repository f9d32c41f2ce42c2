/**
 * What every driver promises, as tests. A driver is done when these pass; its own test file is a few lines that call
 * `conforms`, plus what is particular to it. Drivers differ only in the features they declare.
 */
import { after, before, describe, test } from 'node:test'
import type { Broker } from './broker.ts'
import { carrying } from './conformance-carrying.ts'
import { failing } from './conformance-failing.ts'
import { ordering } from './conformance-ordering.ts'
import { waiting } from './conformance-waiting.ts'

export type Features = {
  /** A group that subscribes later gets what was published before it; else it gets nothing of that. */
  keepsForLaterGroups: boolean
  /** How soon another member takes over from one that died, at most. */
  takeoverMs: number
}

export type Harness = AsyncDisposable & {
  /** What `openBroker` is given; members in other processes get it too. */
  url: string
  open(): Promise<Broker>
  features: Features
  /** The ids of the messages that this group has set aside. */
  deadLetters(group: string): Promise<readonly string[]>
  /** Takes the broker away from everybody, without a word of warning, until it is disposed. */
  outage(): Promise<AsyncDisposable>
}

/** Promises by their sentence, each with its proof. */
export type Promises = Readonly<Record<string, (harness: Harness) => Promise<void>>>

/** `skip` says why there is no broker to try it on. */
export function conforms(driver: string, setup: () => Promise<Harness>, skip: string | false = false): void {
  describe(`${driver} keeps what every broker promises`, { skip }, () => {
    let harness: Harness | undefined
    before(async () => {
      harness = await setup()
    })
    after(() => harness?.[Symbol.asyncDispose]())

    for (const [promise, prove] of Object.entries({ ...carrying, ...ordering, ...failing, ...waiting })) {
      test(promise, { timeout: 90_000 }, () => prove(harness!))
    }
  })
}
