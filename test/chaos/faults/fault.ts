import type { World } from '../world.ts'

/** Something that goes wrong, and is put right again. */
export type Fault = {
  /** What happens, as people say it: it stands in the fault matrix. */
  says: string
  /** Makes it happen under load, puts it right, and resolves when work goes on. Rejects when something that must hold meanwhile does not. */
  strike(world: World): Promise<void>
}

/** Effects that show that work goes on. */
export const GOES_ON = 30
