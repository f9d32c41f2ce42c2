/** Messages that a consumer set aside, with everything needed to understand and replay them. */
import { type Static, Type } from 'typebox'
import { closed, extensible, Id, Line, List, Nullable, Text, Timestamp } from './primitives.ts'

export const DeadLetterStatus = Type.Union([Type.Literal('open'), Type.Literal('replayed'), Type.Literal('discarded')], extensible)

export const DeadLetter = Type.Object(
  {
    deadLetterId: Id('The dead letter'),
    consumer: Type.String({ description: 'The consumer that could not handle it: <service>.<subscription>' }),
    topic: Type.String(),
    key: Type.String(),
    messageId: Type.String({ description: 'The id that the broker delivered it with; empty when it had none' }),
    position: Nullable(Type.String({ description: 'Where it stood in what the broker delivered, such as product.events@17' })),
    eventId: Nullable(Type.String()),
    eventType: Nullable(Type.String()),
    reason: Type.String({
      description:
        'undecodable, schema-invalid, unknown-version, refused, commit-refused, retries-exhausted, crash-poison; signature-missing, -invalid, -mismatch, -unknown-key, -unknown-source'
    }),
    status: DeadLetterStatus,
    attempts: Type.Integer(),
    firstError: Type.String(),
    lastError: Type.String(),
    headers: Type.Record(Type.String(), Type.String()),
    body: Type.String({ description: 'The exact bytes as text; base64 when they are not UTF-8. In a list the first 16 KiB of it' }),
    bodyEncoding: Type.Union([Type.Literal('utf-8'), Type.Literal('base64')]),
    bodyBytes: Type.Integer({ description: 'How many bytes the whole body has' }),
    note: Nullable(Type.String()),
    resolvedBy: Nullable(Type.String()),
    receivedAt: Timestamp,
    updatedAt: Timestamp
  },
  { title: 'DeadLetter' }
)
export type DeadLetter = Static<typeof DeadLetter>

export const DiscardDeadLetter = Type.Object({ note: Type.Optional(Text(1000)) }, { ...closed, title: 'DiscardDeadLetter' })

export const DeadLetterList = List(DeadLetter, 'DeadLetterList')

/** Which dead letters are meant; what is left out may be anything. */
export const deadLetterFilter = {
  consumer: Type.Optional(Text(128)),
  eventType: Type.Optional(Text(128)),
  reason: Type.Optional(Text(64)),
  key: Type.Optional(Text(256)),
  receivedFrom: Type.Optional(Timestamp),
  receivedTo: Type.Optional(Timestamp)
}

const slice = {
  ...deadLetterFilter,
  after: Type.Optional(Id('Go on after this one: `next` of the reply before')),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'How many at most in this call' })),
  dryRun: Type.Optional(Type.Boolean({ default: false, description: 'Say what matches, and do nothing' }))
}

export const ReplayDeadLetters = Type.Object(slice, { ...closed, title: 'ReplayDeadLetters' })

export const DiscardDeadLetters = Type.Object(
  { ...slice, note: Line(1000, 'Why they are given up') },
  { ...closed, title: 'DiscardDeadLetters' }
)

export const DeadLetterGroup = Type.Object(
  {
    consumer: Type.String(),
    eventType: Nullable(Type.String()),
    reason: Type.String(),
    count: Type.Integer(),
    firstReceivedAt: Timestamp,
    lastReceivedAt: Timestamp
  },
  { title: 'DeadLetterGroup' }
)
export type DeadLetterGroup = Static<typeof DeadLetterGroup>

const sliceDone = {
  dryRun: Type.Boolean(),
  matched: Type.Integer({ description: 'Open ones that matched when the call began, from `after` on' }),
  groups: Type.Array(DeadLetterGroup, { description: 'In a dry run, what they are: the hundred largest groups; else empty' }),
  next: Nullable(Id('Call again with it as `after`; null when there are no more'))
}

export const ReplayedDeadLetters = Type.Object(
  {
    ...sliceDone,
    replayed: Type.Integer(),
    failed: Type.Integer({ description: 'Handled and failed again: they stay open, each with its new error' }),
    skipped: Type.Integer({
      description:
        'Not handled: resolved by somebody else meanwhile, of a consumer that is gone, or begun three times without an end'
    })
  },
  { title: 'ReplayedDeadLetters' }
)
export type ReplayedDeadLetters = Static<typeof ReplayedDeadLetters>

export const DiscardedDeadLetters = Type.Object({ ...sliceDone, discarded: Type.Integer() }, { title: 'DiscardedDeadLetters' })
export type DiscardedDeadLetters = Static<typeof DiscardedDeadLetters>
