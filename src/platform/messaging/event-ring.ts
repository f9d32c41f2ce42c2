/** The newest events in memory, within a bound of bytes: whoever follows the log at its head reads them here instead of asking for them. */

type Placed = { position: number; type: string; frame: string }

export type Ring<Event extends Placed> = {
  /** Events that come right after those here; the oldest leave. */
  append(events: readonly Event[]): void
  /**
   * What comes after a position, up to so many characters but one event at least, of these types; and how far that reaches. Undefined: the
   * next event is not here, or not any more.
   */
  after(position: number, types: readonly string[] | null, charactersMax: number): { events: Event[]; position: number } | undefined
}

export function openRing<Event extends Placed>(charactersMax: number): Ring<Event> {
  let kept: Event[] = []
  let characters = 0

  return {
    append(events) {
      kept.push(...events)
      for (const { frame } of events) characters += frame.length
      let leaving = 0
      for (; characters > charactersMax && leaving < kept.length - 1; leaving++) characters -= kept[leaving]!.frame.length
      if (leaving > 0) kept = kept.slice(leaving)
    },
    after(position, types, charactersMax) {
      const first = kept[0]?.position
      if (first === undefined || position < first - 1) return undefined
      const events: Event[] = []
      let at = position - first + 1
      if (at >= kept.length) return undefined
      for (let taken = 0; at < kept.length && taken < charactersMax; at++) {
        const event = kept[at]!
        if (types && !types.includes(event.type)) continue
        events.push(event)
        taken += event.frame.length
      }
      return { events, position: kept[at - 1]!.position }
    }
  }
}
