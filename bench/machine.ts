/** The machine that figures are from, and whether it has time for us. */
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { say } from './progress.ts'

export type Machine = {
  cores: number
  cpu: string
  memoryGiB: number
  system: string
  node: string
  postgres: string
  pgbench: string
  loadAtStart: number
  at: string
}

export function machineOf(postgres: string, pgbench: string): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    postgres,
    pgbench,
    loadAtStart,
    at: new Date().toISOString().slice(0, 16).replace('T', ' ')
  }
}

const loadAtStart = Number(loadavg()[0]!.toFixed(2))

const QUIET_SHARE = 0.2
const SAMPLE_MS = 200

const patience = { eachMs: 10_000, leftMs: 120_000, busyShots: 0 }

/** How long to wait for others to be done, in all and before each shot; 0 does not wait. */
export function bePatientFor(seconds: number): void {
  patience.leftMs = seconds * 1000
}

/** Waits until other processes use little of the machine, within bounds; says so when they do not. */
export async function waitForQuiet(): Promise<void> {
  if (patience.leftMs <= 0) return
  const since = performance.now()
  let share = await shareInUse()
  if (share > QUIET_SHARE) say(`  others use ${Math.round(share * 100)} % of the machine: waiting`)
  while (share > QUIET_SHARE && performance.now() - since < Math.min(patience.eachMs, patience.leftMs)) share = await shareInUse()
  patience.leftMs -= performance.now() - since - SAMPLE_MS
  if (share <= QUIET_SHARE) return
  patience.busyShots++
  say(`  others still use ${Math.round(share * 100)} %: measuring all the same`)
}

/** Shots that were fired although others were busy. */
export function busyShots(): number {
  return patience.busyShots
}

async function shareInUse(): Promise<number> {
  const before = ticks()
  await delay(SAMPLE_MS)
  const after = ticks()
  return 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all)
}

function ticks(): { idle: number; all: number } {
  const times = cpus().map(cpu => cpu.times)
  const sum = (of: (time: (typeof times)[number]) => number) => times.reduce((total, time) => total + of(time), 0)
  return { idle: sum(time => time.idle), all: sum(time => time.user + time.nice + time.sys + time.irq + time.idle) }
}
