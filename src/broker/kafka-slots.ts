/** How many deliveries of a subscription may be in flight, over all its partitions. Those that wait take turns as they came. */
export type Slots = {
  /** Resolves with true once there is a slot, with false when `ends` aborts before. */
  take(ends: AbortSignal): boolean | Promise<boolean>
  give(): void
}

export function openSlots(count: number): Slots {
  const waiting = new Set<(taken: boolean) => void>()
  let free = count
  return {
    take(ends) {
      if (ends.aborted) return false
      if (free > 0) {
        free--
        return true
      }
      return new Promise(resolve => {
        const settle = (taken: boolean) => {
          waiting.delete(settle)
          ends.removeEventListener('abort', leave)
          resolve(taken)
        }
        const leave = () => settle(false)
        waiting.add(settle)
        ends.addEventListener('abort', leave)
      })
    },
    give() {
      const [next] = waiting
      if (next) next(true)
      else free++
    }
  }
}
