/**
 * Micro-batching: one batch in flight takes what waited meanwhile. On a hot row this gives tens of times the throughput of a transaction
 * per request, at lower latency. Correctness comes from the locks of the database, never from here, so replicas are safe.
 */

export const BATCH_MAX = 200
const PATIENCE_MS_MAX = 2

type Waiting<In, Out> = { item: In; resolve(out: Out): void; reject(error: unknown): void }

export type Batching<In> = {
  /** Items with the same key (undefined: none) never share a batch. */
  keyOf?: (item: In) => string | undefined
  /** Whether an error is everybody's, such as a database that is away: then nobody is tried again. */
  isShared?: (error: unknown) => boolean
}

/**
 * `run` handles a list and gives as many results. When it throws, its items are run again one by one, so that one never fails its
 * neighbours.
 */
export function batched<In, Out>(
  run: (items: readonly In[]) => Promise<readonly Out[]>,
  { keyOf = () => undefined, isShared = () => false }: Batching<In> = {}
): (item: In) => Promise<Out> {
  let waiting: Waiting<In, Out>[] = []
  let running = false

  function take(): Waiting<In, Out>[] {
    const keys = new Set<string>()
    const taken: Waiting<In, Out>[] = []
    const left: Waiting<In, Out>[] = []
    for (const each of waiting) {
      const key = keyOf(each.item)
      if (taken.length === BATCH_MAX || (key !== undefined && keys.has(key))) left.push(each)
      else taken.push(each)
      if (key !== undefined) keys.add(key)
    }
    waiting = left
    return taken
  }

  async function settle(batch: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const results = await run(batch.map(each => each.item))
      for (const [index, each] of batch.entries()) each.resolve(results[index]!)
    } catch (error) {
      if (batch.length === 1 || isShared(error)) for (const each of batch) each.reject(error)
      else for (const each of batch) await settle([each])
    }
  }

  async function loop(): Promise<void> {
    running = true
    // Requests that are being read in this turn of the event loop join the first batch.
    await new Promise(setImmediate)
    while (waiting.length > 0) {
      const started = performance.now()
      const batch = take()
      await settle(batch)
      const patienceMs = Math.min(PATIENCE_MS_MAX, (performance.now() - started) / 4)
      if (waiting.length > 0) await returned(Math.min(BATCH_MAX, waiting.length + batch.length), patienceMs)
    }
    running = false
  }

  /**
   * Callers that were just answered are about to come again: without a moment for them, two halves take turns for ever, each waiting for
   * the other's batch. The moment ends when as many wait as can be expected.
   */
  async function returned(expected: number, patienceMs: number): Promise<void> {
    const until = performance.now() + patienceMs
    while (waiting.length < expected && performance.now() < until) await new Promise(setImmediate)
  }

  return item =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!running) loop()
    })
}
