/**
 * The ledger of a run, and what must hold in it: what writers committed, what the event log and the broker carried, and what consumers made of
 * it, each told by a witness of its own. Pure: what it is given decides what it says, so that its own tests can forge every violation.
 */

/** One attempt to move a counter: the `n`th move of `key`, if it was committed. */
export type Entry = { attempt: string; key: string; n: number }

export type Ledger = {
  /** Rows that writers wrote in the transactions of their changes, in any order. */
  committed: readonly Entry[]
  /** Attempts that their writers took back. */
  rolledBack: readonly string[]
  /** Attempts of which somebody was told that they are committed. */
  acknowledged: readonly string[]
  /** The event log, by position. */
  logged: readonly (Entry & { position: number })[]
  /** What came out of the broker, in that order, repetitions included. */
  delivered: readonly Entry[]
  /** Effects, in the order in which they were made. */
  applied: readonly Entry[]
  /** Attempts whose events became dead letters. */
  setAside: readonly string[]
  /** Where each counter stands at its writers, and where consumers believe that it stands. */
  counters: ReadonlyMap<string, number>
  states: ReadonlyMap<string, number>
  /** What still waits at the end. */
  waiting: Readonly<Record<'outbox' | 'unpublished' | 'parked', number>>
  /** How long it took after the last fault was healed; undefined when it never came to rest. */
  convergedMs: number | undefined
  /** What was wrong with processes beyond being killed: unhandled errors, leaks, an end that did not come. */
  processes: readonly string[]
  /** From a commit to its effect, at the 99th percentile, for keys that nothing was done to: before anything was struck, and since. */
  lagP99Ms: Readonly<Record<'before' | 'since', number>>
}

/** What may be expected of a run beyond what always must hold. */
export type Expected = {
  /** false: deliveries were shuffled on purpose, so that only where things end counts. */
  ordered: boolean
  /** Keys whose events must become dead letters: they are poison. */
  poison: (key: string) => boolean
  /** Messages that the broker may have carried more than once. */
  duplicatesMax: number
  convergedWithinMs: number
  /** How much longer effects may take while things go wrong than before; short ones do not matter. */
  lagGrowthMax: number
}

export const invariants = {
  I1: 'nothing that was committed is missing',
  I2: 'nothing comes from a transaction that was rolled back',
  I3: 'every effect is made once',
  I4: 'the order within a key is kept',
  I5: 'repetitions are bounded',
  I6: 'it comes to rest soon after the last fault',
  I7: 'nothing is left waiting',
  I8: 'processes end only when they are ended'
} as const
export type Invariant = keyof typeof invariants
export type Violation = { invariant: Invariant; says: string }

/** Every way in which the ledger breaks an invariant, as sentences. */
export function violationsOf(ledger: Ledger, expected: Expected): Violation[] {
  return (Object.keys(checks) as Invariant[]).flatMap(invariant =>
    checks[invariant](ledger, expected).map(says => ({ invariant, says }))
  )
}

const checks: Record<Invariant, (ledger: Ledger, expected: Expected) => string[]> = {
  I1({ committed, acknowledged, logged, delivered, applied, setAside, counters, states }, { poison }) {
    const known = attemptsOf(committed)
    const settled = new Set([...attemptsOf(applied), ...setAside])
    const healthy = (attempt: string) => !poison(committed.find(entry => entry.attempt === attempt)?.key ?? '')
    return [
      ...told('acknowledged and not committed', without(acknowledged, known)),
      ...told('committed and not in the event log', without(known, attemptsOf(logged))),
      ...told('committed and never delivered', without(known, attemptsOf(delivered))),
      ...told('committed and without effect', without(known, settled)),
      ...told('dead letters that nothing was wrong with', setAside.filter(healthy)),
      ...told(
        'positions of the event log that are not the next',
        logged.filter(({ position }, index) => position !== index + 1).map(({ position }) => String(position))
      ),
      ...told(
        'counters that consumers have not followed to their end',
        [...counters]
          .filter(([key, n]) => !poison(key) && states.get(key) !== n)
          .map(([key, n]) => `${key}: ${states.get(key)} of ${n}`)
      )
    ]
  },
  I2({ committed, rolledBack, logged, delivered, applied }) {
    const known = attemptsOf(committed)
    return [
      ...told('rolled back and committed all the same', intersection(rolledBack, known)),
      ...told('in the event log and not committed', without(attemptsOf(logged), known)),
      ...told('delivered and not committed', without(attemptsOf(delivered), known)),
      ...told('an effect of what was not committed', without(attemptsOf(applied), known))
    ]
  },
  I3({ committed, logged, applied, setAside }) {
    return [
      ...told('committed twice', repeated(committed)),
      ...told('twice in the event log', repeated(logged)),
      ...told('effects made twice', repeated(applied)),
      ...told('both an effect and a dead letter', intersection(setAside, attemptsOf(applied)))
    ]
  },
  I4({ logged, delivered, applied }, { ordered }) {
    return [
      ...told('out of order in the event log', overtaken(logged)),
      ...(ordered ? told('delivered out of order', overtaken(delivered)) : []),
      ...(ordered ? told('effects made out of order', overtaken(applied)) : [])
    ]
  },
  I5({ delivered }, { duplicatesMax }) {
    const duplicates = delivered.length - attemptsOf(delivered).size
    return duplicates > duplicatesMax ? [`${duplicates} repetitions, over ${duplicatesMax}`] : []
  },
  I6({ convergedMs, lagP99Ms: { before, since } }, { convergedWithinMs, lagGrowthMax }) {
    return [
      ...(convergedMs === undefined ? ['it never came to rest'] : []),
      ...(convergedMs !== undefined && convergedMs > convergedWithinMs
        ? [`after ${convergedMs} ms, over ${convergedWithinMs}`]
        : []),
      ...(since > Math.max(SHORT_LAG_MS, before * lagGrowthMax)
        ? [
            `effects came ${Math.round(since)} ms after their commits (p99), and ${Math.round(before)} ms before anything was struck`
          ]
        : [])
    ]
  },
  I7: ({ waiting }) =>
    Object.entries(waiting)
      .filter(([, count]) => count > 0)
      .map(([place, count]) => `${count} ${place}`),
  I8: ({ processes }) => [...processes]
}

function attemptsOf(entries: readonly Entry[]): Set<string> {
  return new Set(entries.map(({ attempt }) => attempt))
}

function without(all: Iterable<string>, known: ReadonlySet<string>): string[] {
  return [...all].filter(each => !known.has(each))
}

function intersection(all: Iterable<string>, known: ReadonlySet<string>): string[] {
  return [...all].filter(each => known.has(each))
}

function repeated(entries: readonly Entry[]): string[] {
  const seen = new Set<string>()
  return entries.filter(({ attempt }) => seen.size === seen.add(attempt).size).map(({ attempt }) => attempt)
}

/** Entries that came, for the first time, after a later one of their key. */
function overtaken(entries: readonly Entry[]): string[] {
  const seen = new Set<string>()
  const last = new Map<string, number>()
  return entries
    .filter(({ attempt, key, n }) => {
      if (seen.size === seen.add(attempt).size) return false
      const late = n < (last.get(key) ?? 0)
      last.set(key, Math.max(n, last.get(key) ?? 0))
      return late
    })
    .map(({ key, n }) => `${key}@${n}`)
}

const SHORT_LAG_MS = 1500
const EXAMPLES = 5

function told(what: string, which: readonly string[]): string[] {
  if (which.length === 0) return []
  return [`${which.length} ${what}: ${which.slice(0, EXAMPLES).join(', ')}${which.length > EXAMPLES ? ', …' : ''}`]
}
