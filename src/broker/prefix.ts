/** How far a consumer group has come in one topic or partition, when later positions may be done with before earlier ones. */
export type Prefix = {
  /** Everything up to here is done with. */
  readonly position: number
  /** Positions that were added and are not done with. */
  readonly pending: number
  /** Positions that were added and are not behind `position`. */
  readonly span: number
  /** Added in rising order; gaps are allowed. */
  add(position: number): void
  done(position: number): void
}

/** Starts with everything up to `position` done with. */
export function openPrefix(position: number): Prefix {
  const added: number[] = []
  const done = new Set<number>()
  let first = 0
  return {
    get position() {
      return position
    },
    get pending() {
      return added.length - first - done.size
    },
    get span() {
      return added.length - first
    },
    add(next) {
      added.push(next)
    },
    done(settled) {
      done.add(settled)
      while (first < added.length && done.delete(added[first]!)) position = added[first++]!
      // Forgets the passed ones now and then rather than one by one, which would move the whole list each time.
      if (first > 1024 && first * 2 > added.length) {
        added.splice(0, first)
        first = 0
      }
    }
  }
}
