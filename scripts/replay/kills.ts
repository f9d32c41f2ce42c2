/** Kills at random moments: chosen as shares of the work, so that a faster machine meets them as a slower one does. */
import { setTimeout as delay } from 'node:timers/promises'
import { openChance } from '../chance.ts'
import type { EcosystemProcess } from './ecosystem-process.ts'
import type { Progress } from './progress.ts'

/** Within a step, too, any moment may be the one. */
const LATER_MS = 200

/** Kills and restarts the ecosystem `count` times while the work goes on; resolves after the last. The same seed, the same moments. */
export async function killAtRandom(
  ecosystem: EcosystemProcess,
  progress: Progress,
  { count, seed }: { count: number; seed: number }
): Promise<void> {
  const random = openChance(seed)
  const moments = Array.from({ length: count }, () => ({ share: random(), laterMs: random() * LATER_MS }))
  for (const { share, laterMs } of moments.toSorted((one, other) => one.share - other.share)) {
    await progress.reached(share)
    await delay(laterMs)
    await ecosystem.killAndRestart()
  }
}
