/** Messages that a consumer set aside, with everything needed to understand and replay them. */
import { type Static, Type } from 'typebox'
import { closed, Id, List, Nullable, Text, Timestamp } from './primitives.ts'

export const DeadLetterStatus = Type.Union([Type.Literal('open'), Type.Literal('replayed'), Type.Literal('discarded')])

export const DeadLetter = Type.Object(
  {
    deadLetterId: Id('The dead letter'),
    consumer: Type.String({ description: 'The consumer that could not handle it: <service>.<subscription>' }),
    topic: Type.String(),
    key: Type.String(),
    eventId: Nullable(Type.String()),
    eventType: Nullable(Type.String()),
    reason: Type.String({ description: 'undecodable, schema-invalid, refused, commit-refused, retries-exhausted' }),
    status: DeadLetterStatus,
    attempts: Type.Integer(),
    firstError: Type.String(),
    lastError: Type.String(),
    headers: Type.Record(Type.String(), Type.String()),
    body: Type.String({ description: 'The exact bytes as text; base64 when they are not UTF-8' }),
    bodyEncoding: Type.Union([Type.Literal('utf-8'), Type.Literal('base64')]),
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
