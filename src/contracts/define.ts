/**
 * The shapes that contracts are written in. A contract is a value: its TypeScript types, validation, OpenAPI, AsyncAPI,
 * JSON Schema and reference pages all derive from it.
 */
import type { Static, TObject, TSchema } from 'typebox'
import type { ProblemCode } from './problems.ts'
import type { Scope } from './scopes.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export type Operation = {
  method: Method
  /** As in OpenAPI: `/v1/products/{productId}`. */
  path: string
  tag: string
  summary: string
  description?: string
  /** The one scope that allows it; null means that anybody may call it. */
  scope: Scope | null
  params?: TObject
  query?: TObject
  body?: TSchema
  /** Of a body that is read as it comes, instead of `body`: its media types, and the schema of one line where that is JSON. */
  consumes?: Readonly<Record<string, TSchema | null>>
  /** A reply that is sent as it is made has a media type of its own; `body` is then the schema of one line, where that is JSON. */
  reply: {
    status: 200 | 201 | 202 | 204
    body?: TSchema
    mediaType?: string
    /** The media type of an answer without an end, for whoever accepts that instead. */
    stream?: 'text/event-stream'
    /** Headers beyond those that any reply may have. */
    headers?: Readonly<Record<string, TSchema>>
    description: string
  }
  /** Where a created resource can be read: a path with its properties, such as `/v1/products/{productId}`. */
  location?: string
  /** What it may refuse beyond what any operation may (see `commonProblems` in openapi-problems.ts). */
  problems?: readonly ProblemCode[]
  /** It is on its way out: see lifecycle.ts. */
  deprecated?: Deprecation
  /** Mutations honour Idempotency-Key; those that move stock require it. */
  idempotency?: 'required'
  /** Members of the reply that are told once: what is kept for who repeats the request has null in their place. */
  shownOnce?: readonly string[]
  /** Where a mutation leaves no record in the audit log: the stock ledger is its record, or it changes nothing. */
  audit?: 'ledger' | 'nothing'
  /** Members of the reply that are about a person: the audit log tells that they changed, and not what they are. */
  personal?: readonly string[]
  /** The reply carries an ETag made of the resource's `version`; GET honours If-None-Match, mutations of what exists If-Match. */
  conditional?: true
  /** A listing, which has no version: the reply carries an ETag made of its text, and If-None-Match is honoured. */
  revalidated?: true
}

/** Days are days in UTC, such as `2027-01-31`. */
export type Deprecation = {
  /** The day from which on nobody should begin to use it. */
  since: string
  /** The day from which on it is answered 410. */
  sunset?: string
  /** The operation of the same API that takes its place. */
  successor?: string
}

export type Api = {
  service: string
  title: string
  version: string
  description: string
  operations: Readonly<Record<string, Operation>>
}

/** An API as a value; the operations keep their exact types, so that a missing handler is a compile error. */
export function defineApi<const Operations extends Record<string, Operation>>(
  api: Omit<Api, 'operations'> & { operations: Operations }
) {
  return api
}

/** In place of types of events: all of a topic, also those that come later. */
export const EVERY_TYPE = '*'

export type Topic = 'product.events' | 'order.events' | 'user.events'

export type EventContract<Data extends TObject = TObject> = {
  type: string
  version: number
  topic: Topic
  summary: string
  /** The property whose value is the partition key: events with one key are delivered in order. */
  key: string
  /** What `sequence` counts within, made of properties: `stock-level/{variantId}/{locationId}`. */
  subject: string
  data: Data
  /** The version before this one, for as long as anybody sends it, reads it or keeps it. */
  previous?: PreviousVersion
}

type Data = Record<string, unknown>

/** A version that is still read, and how it says what the next one says. Both are pure, and know nothing of the envelope. */
export type PreviousVersion = {
  event: EventContract
  /** What it said, as the next version says it. */
  upcast(data: Data): Data
  /** What the next version says, as it said it: there for as long as it is published beside the next one. */
  downcast?: (data: Data) => Data
}

/** An event as a value. `data` holds the properties beyond the envelope (see envelope.ts). */
export function defineEvent<const Data extends TObject>(
  event: Omit<EventContract<Data>, 'key'> & { key: Extract<keyof Static<Data>, string> }
): EventContract<Data> {
  return event
}

/**
 * The next version of an event: other properties under the same name, key and subject. Consumers are given what older publishers send
 * by `upcast`; with `downcast` we publish the version before beside this one, until nobody reads it any more.
 */
export function nextVersion<const Old extends TObject, const New extends TObject>(
  before: EventContract<Old>,
  next: {
    summary: string
    data: New
    upcast(data: Static<Old>): Static<New>
    downcast?(data: Static<New>): Static<Old>
  }
): EventContract<New> {
  const { upcast, downcast, ...own } = next
  const casts = { upcast, ...(downcast ? { downcast } : {}) } as unknown as Omit<PreviousVersion, 'event'>
  return { ...before, ...own, version: before.version + 1, previous: { event: before as unknown as EventContract, ...casts } }
}

/** Every version of an event that is still read, the newest first. */
export function versionsOf(event: EventContract): EventContract[] {
  return [event, ...(event.previous ? versionsOf(event.previous.event) : [])]
}
