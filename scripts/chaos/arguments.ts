import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { scenarios } from '../../test/chaos/scenarios.ts'
import { type BrokerName, brokerNames } from '../../test/chaos/servers.ts'

export type ChaosOptions = {
  minutes: number
  seed: number
  only: readonly string[]
  brokers: readonly BrokerName[]
  report: string
}

/** Something that whoever called can put right. */
export class Unusable extends Error {}

/** The storm is no row of the matrix: it draws from all of them. */
export const STORM = 'F21'

/** Throws `Unusable`. */
export function readArguments(args: string[]): ChaosOptions {
  const { minutes, seed, only, brokers, report } = parsed(args)
  const ids = new Set<string>([...scenarios.map(({ id }) => id), STORM])
  const chosen = only?.split(',') ?? [...ids]
  const unknown = chosen.filter(id => !ids.has(id))
  if (unknown.length > 0) throw new Unusable(`There is no ${unknown.join(', ')}; there are ${[...ids].join(', ')}`)
  const on = brokers?.split(',') ?? brokerNames
  const strange = on.filter(name => !brokerNames.includes(name as BrokerName))
  if (strange.length > 0) throw new Unusable(`There is no broker ${strange.join(', ')}; there are ${brokerNames.join(', ')}`)
  const given = { minutes: Number(minutes), seed: seed === undefined ? randomInt(2 ** 31) : Number(seed) }
  if (!(given.minutes > 0)) throw new Unusable(`--minutes ${minutes} is no time to run for`)
  if (!Number.isSafeInteger(given.seed) || given.seed < 0) throw new Unusable(`--seed ${seed} is no seed: a whole number`)
  const possible =
    chosen.includes(STORM) || scenarios.some(({ id, brokers }) => chosen.includes(id) && brokers.some(each => on.includes(each)))
  if (!possible) throw new Unusable(`None of ${chosen.join(', ')} runs on ${on.join(', ')}`)
  return { ...given, only: chosen, brokers: on as BrokerName[], report }
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        minutes: { type: 'string', default: '30' },
        seed: { type: 'string' },
        only: { type: 'string' },
        brokers: { type: 'string' },
        report: { type: 'string', default: 'chaos-report.json' }
      }
    }).values
  } catch (error) {
    throw new Unusable((error as Error).message)
  }
}
