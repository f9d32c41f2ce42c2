/** Which events an endpoint wants: arithmetic. */
import { EVERY_TYPE } from '#contracts/define.ts'

/** Property → the values of which an event must have one. */
export type WebhookFilter = Record<string, (string | number | boolean)[]>

export type Wanted = { event_types: readonly string[]; filter: WebhookFilter | null }

/** Whether it is of a type that is asked for, by name or as every type. */
export function wantsType({ event_types: types }: Pick<Wanted, 'event_types'>, type: string): boolean {
  return types.includes(type) || types.includes(EVERY_TYPE)
}

/** Whether each property that the filter names has one of its values; of an event without such a property none has. */
export function passes(filter: WebhookFilter | null, event: Readonly<Record<string, unknown>>): boolean {
  if (filter === null) return true
  return Object.entries(filter).every(
    ([name, values]) => Object.hasOwn(event, name) && (values as readonly unknown[]).includes(event[name])
  )
}
