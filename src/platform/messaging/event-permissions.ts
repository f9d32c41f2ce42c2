/**
 * Which types of events a client may read, whichever way they are handed to it: the feed asks here for pages and streams, and what
 * delivers webhooks asks for each event. See docs/decisions/0028-event-consumers-are-data.md.
 */
import { EVERY_TYPE } from '#contracts/define.ts'
import {
  type EventConsumer,
  EventConsumersSetting,
  eventConsumers,
  everyoneReads,
  readsEverything,
  topics
} from '#contracts/event-consumers.ts'
import { type Fault, Problem } from '#contracts/problems.ts'
import { type Actor, API_KEY_ISSUER } from '../identity/actor.ts'
import { pointerTo } from '../text/json.ts'
import { checkBody } from '../text/validation.ts'

/** Who asks, as far as it matters here. */
export type EventReader = Pick<Actor, 'clientId' | 'issuer' | 'scopes'>

export interface EventPermissions {
  /** The types of `product.events` that a client may read; null: every type, also those that come later. */
  readableBy(reader: EventReader): readonly string[] | null
  mayRead(reader: EventReader, type: string): boolean
  /**
   * What is left of a question when only what may be read is answered; null is every type, in the question and in the answer. Throws
   * `event-type-not-permitted` for types that are asked for by name and may not be read, and where nothing may be read at all.
   */
  narrow(types: readonly string[] | null, reader: EventReader): readonly string[] | null
}

const LOGGED = 'product.events'
const API_KEY_PREFIX = 'api-key:'
/** In the words of a refusal; its member `eventTypes` has all. */
const NAMED_MAX = 3

type Setting = { everyone?: readonly string[]; consumers?: Record<string, EventConsumer | null> }

export function openEventPermissions(setting: string | undefined): EventPermissions {
  const { everyone = everyoneReads } = settingIn(setting)
  const byClient = new Map(
    Object.values(consumersOf(setting)).flatMap(({ clients = [], reads = {} }) =>
      clients.map(client => [client, unlessEvery(reads[LOGGED] ?? [])] as const)
    )
  )

  function readableBy({ clientId, issuer, scopes }: EventReader): readonly string[] | null {
    // Whoever gives out tokens may name a client as it likes, and is not believed that it is an API key.
    const isNamed = byClient.has(clientId) && clientId.startsWith(API_KEY_PREFIX) === (issuer === API_KEY_ISSUER)
    if (isNamed) return byClient.get(clientId)!
    return scopes.has(readsEverything) ? null : unlessEvery(everyone)
  }

  return {
    readableBy,
    mayRead: (reader, type) => readableBy(reader)?.includes(type) ?? true,
    narrow(types, reader) {
      const readable = readableBy(reader)
      if (readable === null) return types
      const refused = [...new Set(types)].filter(type => !readable.includes(type))
      if (refused.length > 0) {
        const named = refused.length > NAMED_MAX ? [...refused.slice(0, NAMED_MAX), '…'] : refused
        throw new Problem('event-type-not-permitted', `This client may not read ${named.join(', ')}`, { eventTypes: refused })
      }
      if (readable.length === 0) throw new Problem('event-type-not-permitted', 'This client may read no events', { eventTypes: [] })
      return types ?? readable
    }
  }
}

const unlessEvery = (types: readonly string[]) => (types.includes(EVERY_TYPE) ? null : types)

/** Every consumer by its name: ours, as the setting changes and adds to them. */
export function consumersOf(setting: string | undefined): Record<string, EventConsumer> {
  const all = { ...eventConsumers, ...settingIn(setting).consumers }
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, EventConsumer] => entry[1] !== null))
}

function settingIn(text: string | undefined): Setting {
  return text ? (JSON.parse(text) as Setting) : {}
}

const check = checkBody(EventConsumersSetting)

/** What is wrong with EVENT_CONSUMERS, all of it. */
export function faultsOfConsumers({ EVENT_CONSUMERS }: { EVENT_CONSUMERS?: string | undefined }): string[] {
  try {
    const setting: unknown = EVENT_CONSUMERS ? JSON.parse(EVENT_CONSUMERS) : {}
    check(setting)
  } catch (error) {
    if (!(error instanceof Problem)) return [`EVENT_CONSUMERS: is not JSON: ${(error as Error).message}`]
    return (error.extensions.errors as Fault[]).map(({ pointer, detail }) => `EVENT_CONSUMERS: ${pointer} ${detail}`)
  }
  return contradictions(consumersOf(EVENT_CONSUMERS)).map(fault => `EVENT_CONSUMERS: ${fault}`)
}

/** What the shape of the data lets through: two who would be one, and one that would own what is another's. */
function contradictions(consumers: Record<string, EventConsumer>): string[] {
  const all = Object.entries(consumers)
  const at = (name: string) => `#/consumers${pointerTo(name)}`
  const shared = (what: string, valuesOf: (consumer: EventConsumer) => readonly string[]) => {
    const owners = Map.groupBy(
      all.flatMap(([name, consumer]) => [...new Set(valuesOf(consumer))].map(value => ({ name, value }))),
      ({ value }) => value
    )
    return [...owners].flatMap(([value, of]) =>
      of.length < 2 ? [] : [`the ${what} ${value} can only be of one of ${of.map(({ name }) => name).join(', ')}`]
    )
  }
  // What begins with its name is its own on the broker, and a topic may begin so too.
  const foreign = all.flatMap(([name, { publishes = [] }]) =>
    topics
      .filter(topic => topic.startsWith(`${name}.`) && !publishes.includes(topic))
      .map(
        topic => `${at(name)} needs another name, or must publish ${topic}: what begins with '${name}.' on the broker is its own`
      )
  )
  const both = all.flatMap(([name, { reads = {} }]) =>
    Object.entries(reads)
      .filter(([, types]) => types.length > 1 && types.includes(EVERY_TYPE))
      .map(([topic]) => `${at(name)}/reads${pointerTo(topic)} names types beside ${EVERY_TYPE}, which is all of them`)
  )
  return [
    ...shared('client', ({ clients = [] }) => clients),
    ...shared('broker user', ({ user }) => (user ? [user] : [])),
    ...foreign,
    ...both
  ]
}
