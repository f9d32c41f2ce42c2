/** What happens between processes and servers: cut, reset, silent, slow, and half heard. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Weather } from '../../support/fault-proxy.ts'
import type { LineName, World } from '../world.ts'
import { type Fault, GOES_ON } from './fault.ts'

export function cut(line: LineName, ms: number): Fault {
  return {
    says: `the line from ${line} is cut`,
    async strike(world) {
      world.strikes++
      world.line(line).cut()
      await delay(ms)
      world.line(line).heal()
      await world.progress(GOES_ON)
    }
  }
}

export function reset(line: LineName, times: number): Fault {
  return {
    says: `connections from ${line} are reset again and again`,
    async strike(world) {
      for (let n = 0; n < times; n++) {
        world.strikes++
        world.line(line).reset()
        await world.progress(GOES_ON)
      }
    }
  }
}

/** Half-open: each side believes that the other is there. */
export function silence(line: LineName, ms: number): Fault {
  return {
    says: `the line from ${line} falls silent: both sides believe that the other is there`,
    strike: world => under(world, line, { silent: true }, ms)
  }
}

export function slow(line: LineName, latencyMs: number, ms: number): Fault {
  return { says: `the line from ${line} has a latency of ${latencyMs} ms`, strike: world => under(world, line, { latencyMs }, ms) }
}

export function narrow(line: LineName, bytesPerSecond: number, ms: number): Fault {
  return {
    says: `the line from ${line} carries ${bytesPerSecond / 1000} kB a second`,
    strike: world => under(world, line, { bytesPerSecond }, ms)
  }
}

async function under(world: World, line: LineName, weather: Weather, ms: number): Promise<void> {
  world.strikes++
  world.line(line).weather(weather)
  await delay(ms)
  world.line(line).heal()
  await world.progress(GOES_ON)
}

/** LISTEN seems to work and hears nothing: polling has to do, so work goes on while it lasts. */
export function deafen(lines: readonly LineName[], turns: number): Fault {
  return {
    says: 'LISTEN is half-open: no notification arrives, and nobody is told',
    async strike(world) {
      for (const line of lines) world.line(line).weather({ notificationsLost: true })
      for (let turn = 0; turn < turns; turn++) await world.progress(GOES_ON)
      for (const line of lines) world.line(line).heal()
      await world.progress(GOES_ON)
    }
  }
}
