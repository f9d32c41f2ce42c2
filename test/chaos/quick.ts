/** The rows of the fault matrix that run with every test run, each as a test: those of one broker, on servers of their own. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { runScenario } from './run-scenario.ts'
import { scenarios } from './scenarios.ts'
import { type BrokerName, openServers } from './servers.ts'

/** `skip` says why there are no servers here, if there are none. */
export function quick(broker: BrokerName, skip: string | false = false): void {
  const rows = scenarios.filter(scenario => scenario.quick.includes(broker))

  describe(`with ${broker}`, { skip }, () => {
    const servers = openServers(broker)
    after(() => servers[Symbol.asyncDispose]())

    for (const scenario of rows) {
      test(`${scenario.id}: ${scenario.title}`, { timeout: 300_000 }, async t => {
        const outcome = await servers.use(started => runScenario(scenario, started))
        const { committed, duplicates, strikes, convergedMs, ms } = outcome
        t.diagnostic(
          `${committed} committed, ${strikes} strikes, ${duplicates} repetitions, at rest in ${convergedMs} ms; ${ms} ms in all`
        )
        assert.deepEqual(outcome.violations, [])
      })
    }
  })
}
