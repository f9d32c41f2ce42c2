/** Whether events leave in order. It cannot be otherwise as long as `announce` is called after locking the row: this tells when it was not. */

import { orderViolations } from '../telemetry.ts'
import type { LoggedEvent } from './event-log.ts'

/** Subjects are forgotten, the longest silent first, so that memory is bounded. Who announces without the lock does so within moments. */
const SUBJECTS_MAX = 20_000
const VERSIONS_MAX = 1000

/** Counts events whose `sequence` is not above the last of their subject. Events that are sent again are not looked at again. */
export function watchOrder(service: string): (event: Pick<LoggedEvent, 'position' | 'subject' | 'sequence' | 'version'>) => void {
  // Present from the start, so that the first violation is an increase.
  orderViolations.inc({ service }, 0)
  const last = new Map<string, number>()
  let seen = 0
  return ({ position, subject, sequence, version }) => {
    if (position <= seen) return
    seen = position
    // An event that is published in several versions is told newest first, under one number.
    const place = sequence * VERSIONS_MAX - version
    const before = last.get(subject)
    if (before !== undefined) {
      last.delete(subject)
      if (place <= before) orderViolations.inc({ service })
    } else if (last.size === SUBJECTS_MAX) last.delete(last.keys().next().value!)
    last.set(subject, Math.max(place, before ?? 0))
  }
}
