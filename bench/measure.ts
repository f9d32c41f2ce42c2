/** Measures cases side by side: rounds in rotating order, so that what else the machine does meets them all; medians and ratios of rounds. */
import { type Case, cpuSecondsOf, median, shoot } from './load.ts'

export type Row = {
  case: string
  'per s': number
  min: number
  max: number
  ratio?: number
  floor?: number
  'CPU ms': number
  'PG CPU ms': number
  'p50 ms': number
  'p99 ms': number
  failed: number
}

export type Measuring = { rounds: number; seconds: number; postgresPid: number; afterEach?: () => Promise<void> }

export async function measure(cases: readonly Case[], { rounds, seconds, postgresPid, afterEach }: Measuring): Promise<Row[]> {
  for (const each of cases) await shoot(each, 2)
  await afterEach?.()
  const taken = cases.map(() => ({
    rate: [] as number[],
    cpu: [] as number[],
    postgres: [] as number[],
    p50: [] as number[],
    p99: [] as number[],
    failed: 0
  }))
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < cases.length; turn++) {
      const index = (turn + round) % cases.length
      const each = cases[index]!
      const figures = taken[index]!
      const [cpu, postgres] = [cpuSecondsOf(each.pids), cpuSecondsOf([postgresPid])]
      const result = await shoot(each, seconds)
      const perRequest = (since: number, pids: readonly number[]) =>
        (Math.max(0, cpuSecondsOf(pids) - since) * 1000) / result.requests
      figures.cpu.push(perRequest(cpu, each.pids))
      figures.postgres.push(perRequest(postgres, [postgresPid]))
      figures.rate.push(result.requests / result.seconds)
      figures.p50.push(result.p50)
      figures.p99.push(result.p99)
      figures.failed += result.failed
      await afterEach?.()
      console.log(`  round ${round + 1}/${rounds}  ${each.name}: ${Math.round(figures.rate.at(-1)!)}/s`)
    }
  }
  return cases.map(({ name, against, floor }, index) => {
    const { rate, cpu, postgres, p50, p99, failed } = taken[index]!
    return {
      case: name,
      'per s': Math.round(median(rate)),
      min: Math.round(Math.min(...rate)),
      max: Math.round(Math.max(...rate)),
      ...(against !== undefined && {
        ratio: Number(median(rate.map((each, round) => each / taken[against]!.rate[round]!)).toFixed(2))
      }),
      ...(floor !== undefined && { floor }),
      'CPU ms': Number(median(cpu).toFixed(3)),
      'PG CPU ms': Number(median(postgres).toFixed(3)),
      'p50 ms': median(p50),
      'p99 ms': median(p99),
      failed
    }
  })
}
