/**
 * Bugs that others have made, each planted into a copy of the tree by `npm run planted-bugs`: the test that is named must turn red. Whoever
 * changes the text of a place takes the plant along.
 */
import { whoMayDoWhat } from './identity.ts'
import { messaging } from './messaging.ts'
import { services } from './services.ts'
import { webhookBugs } from './webhooks.ts'

export type Plant = {
  id: string
  /** The bug, and what would come of it. */
  what: string
  file: string
  /** Stands there exactly once, and becomes `replace`. */
  find: string
  replace: string
  /** The test that must notice: its file and its whole name. */
  test: { file: string; name: string }
}

export const plants: readonly Plant[] = [...messaging, ...services, ...whoMayDoWhat, ...webhookBugs]
