/** How a service says which behaviour answers an operation, and what the edge does around it. */
import type { Static, TObject, TSchema } from 'typebox'
import type { Api, Operation } from '#contracts/define.ts'
import type { Problem } from '#contracts/problems.ts'
import type { Audited } from '../audit/audit.ts'
import type { Actor } from '../identity/actor.ts'
import type { Consumer } from '../messaging/consumer.ts'
import type { FeedQuestion } from '../messaging/event-feed.ts'
import type { EventPermissions } from '../messaging/event-permissions.ts'
import type { Database, Queryable, Transaction } from '../postgres/database.ts'
import type { Cursors } from './cursor.ts'
import type { Expected } from './etag.ts'

/** A request that has passed the edge: authenticated, authorized, valid. */
export type Input<Op extends Operation> = {
  params: Op extends { params: infer Schema extends TObject } ? Static<Schema> : Record<string, never>
  query: Op extends { query: infer Schema extends TObject } ? Static<Schema> : Record<string, never>
  body: Op extends { body: infer Schema extends TSchema } ? Static<Schema> : undefined
  actor: Actor
  /** The versions that If-Match allows; null when it allows any. */
  expected: Expected
  traceparent: string | undefined
  /** For what has transactions of its own: who is to be recorded in each of them. Others are recorded by the edge. */
  audited?: Audited | undefined
}

/** What a listing is asked: nothing of who asks, since others who ask the same are given the same answer. */
export type Asked<Op extends Operation> = Pick<Input<Op>, 'params' | 'query'>

export type Output<Op extends Operation> = Op['reply'] extends { body: infer Schema extends TSchema } ? Static<Schema> : undefined

/** What reading handlers may use. */
export type Reading = {
  database: Database
  cursors: Cursors
  consumers: readonly Consumer[]
  /** Which events who may read. */
  eventPermissions: EventPermissions
}

/** A resource stored as the text that is served. */
export type StoredDocument = { id: string; version: number; text: string }

/** A body that is read as it comes, however large it is. Reading throws when the client goes away, falls silent or sends too much. */
export type Upload = { mediaType: string; chunks: AsyncIterable<Buffer> }

/**
 * An upload that is here to its end. Either its end is committed, or nothing of it is to stay. Neither is called where the process dies or
 * the database is away, so what is kept while it comes must be recognizable as unfinished, and swept in time.
 */
export type Uploaded<Out> = {
  /** Ends it in the transaction that also holds the idempotency record. Runs again should the transaction have to. */
  commit(tx: Transaction): Promise<Out>
  /** The request was a repetition, which is answered as before, or `commit` refused: drops what was kept while it came. */
  discard(): Promise<void>
}

/**
 * An answer that is sent as it is made, in pieces of some ten kilobytes. `chunks` is begun always, for HEAD too, and what it holds is let go
 * of by its `return`: at the end, when the client goes away, and when it takes too long over a piece.
 */
export type Download = { filename?: string; headers?: Record<string, string>; chunks: AsyncIterable<string> }

export type Handler<Op extends Operation = Operation> =
  | { kind: 'read'; run(reading: Reading, input: Input<Op>): Promise<Output<Op>> }
  | { kind: 'write'; run(tx: Transaction, input: Input<Op>): Promise<Output<Op>> }
  | { kind: 'batch'; run(tx: Transaction, inputs: readonly Input<Op>[]): Promise<readonly (Output<Op> | Problem)[]> }
  | { kind: 'document'; load(database: Queryable, ids: readonly string[]): Promise<StoredDocument[]> }
  | { kind: 'listing'; run(reading: Reading, asked: Asked<Op>): Promise<string> }
  | { kind: 'upload'; run(reading: Reading, input: Input<Op>, upload: Upload): Promise<Uploaded<Output<Op>>> }
  | { kind: 'download'; run(reading: Reading, input: Input<Op>): Promise<Download> }
  | { kind: 'feed'; run(input: Input<Op>): FeedQuestion & { limit: number } }

/** One handler per operation of the API: a missing one is a compile error. */
export type Handlers<A extends Api> = { [Name in keyof A['operations']]: Handler<A['operations'][Name]> }

/** Answers without a transaction and without idempotency: it changes nothing, or has a transaction of its own. */
export function read<In, Out>(run: (reading: Reading, input: In) => Promise<Out>) {
  return { kind: 'read' as const, run }
}

/** Runs in a transaction that the edge opens and commits, with the idempotency record in it. */
export function write<In, Out>(run: (tx: Transaction, input: In) => Promise<Out>) {
  return { kind: 'write' as const, run }
}

/** Requests that wait at the same moment share one transaction: see batched.ts. One's refusal is a returned problem. */
export function batch<In, Out>(run: (tx: Transaction, inputs: readonly In[]) => Promise<readonly (Out | Problem)[]>) {
  return { kind: 'batch' as const, run }
}

/** Serves stored documents by id, from the cache or from one read that all waiting requests share: see documents.ts. */
export function document(load: (database: Queryable, ids: readonly string[]) => Promise<StoredDocument[]>) {
  return { kind: 'document' as const, load }
}

/**
 * Answers with the JSON text that `run` made of stored texts, and serves it again to the same question: for up to a second, until anything
 * was committed in this process. So it depends on path and query alone. See listings.ts.
 */
export function listing<In>(run: (reading: Reading, asked: In) => Promise<string>) {
  return { kind: 'listing' as const, run }
}

/**
 * Takes a body of one of the media types that the operation `consumes`, as it comes, with no more of it in memory than was asked for. `run`
 * reads it to its end; what it throws before is the answer, and what it kept until then it drops.
 */
export function upload<In, Out>(run: (reading: Reading, input: In, upload: Upload) => Promise<Uploaded<Out>>) {
  return { kind: 'upload' as const, run }
}

/** Sends text of the media type that the operation's reply names, as it is made. */
export function download<In>(run: (reading: Reading, input: In) => Promise<Download>) {
  return { kind: 'download' as const, run }
}

/** Gives what of the event log `run` says is asked for: as a page, or as a stream to whoever accepts one. See http-feeds.ts. */
export function feed<In>(run: (input: In) => FeedQuestion & { limit: number }) {
  return { kind: 'feed' as const, run }
}
