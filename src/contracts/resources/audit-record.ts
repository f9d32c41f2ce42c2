/** Who did what: what the audit log keeps of changes, and of attempts that were refused. */
import { type Static, Type } from 'typebox'
import { extensible, List, Nullable, Text, Timestamp } from './primitives.ts'

export const AuditOutcome = Type.Union([Type.Literal('done'), Type.Literal('refused')], extensible)

const members = (description: string) => Nullable(Type.Record(Type.String(), Type.Unknown(), { description }))

export const AuditRecord = Type.Object(
  {
    auditRecordId: Type.Integer({ minimum: 1, format: 'int64', description: 'Grows; some numbers are left out' }),
    at: Type.String({ format: 'date-time', maxLength: 40, description: 'When, by the clock of the database: UTC, microseconds' }),
    operation: Type.String({ description: 'What was asked: an operation of the API, or a command' }),
    outcome: AuditOutcome,
    status: Nullable(Type.Integer({ description: 'What was answered; null for commands' })),
    code: Nullable(Type.String({ description: 'Why it was refused: the code of the problem' })),
    resourceType: Nullable(Type.String({ description: 'What it was about: product, price-list …' })),
    resourceId: Nullable(Type.String()),
    actor: Type.Object({
      issuer: Type.String({ description: 'Who vouches for the subject; `command` for a command of an operator' }),
      subject: Type.String(),
      clientId: Type.String(),
      userId: Nullable(Type.String({ description: 'The user in whose name a client acted' })),
      act: Nullable(Type.String({ description: 'Who acted for the subject, as the token said it' }))
    }),
    ip: Nullable(Type.String({ description: 'From where' })),
    requestId: Nullable(Type.String({ description: 'X-Request-Id of the reply' })),
    traceId: Nullable(Type.String({ description: 'Of the W3C trace' })),
    before: members('Of a change the members that differ, as they were; of what was deleted all of them'),
    after: members('Of a change the members that differ, as they are; of what was created all of them'),
    position: Nullable(
      Type.Integer({
        minimum: 1,
        format: 'int64',
        description: 'Its place in the chain; null until it is sealed, about a second later'
      })
    ),
    hash: Nullable(Type.String({ description: 'Of this record and of every one before it, in hexadecimal' }))
  },
  { title: 'AuditRecord' }
)
export type AuditRecord = Static<typeof AuditRecord>

export const AuditRecordList = List(AuditRecord, 'AuditRecordList')

/** Which records are meant; what is left out may be anything. */
export const auditFilter = {
  actor: Type.Optional(Text(256, { minLength: 1, description: 'Of this subject' })),
  operation: Type.Optional(Text(64, { minLength: 1, description: 'Of this operation: updateProduct' })),
  resourceType: Type.Optional(Text(64, { minLength: 1, description: 'About one of these: product' })),
  resourceId: Type.Optional(Text(128, { minLength: 1, description: 'About this one' })),
  outcome: Type.Optional(AuditOutcome),
  from: Type.Optional({ ...Timestamp, description: 'Not before: RFC 3339' }),
  to: Type.Optional({ ...Timestamp, description: 'Before: RFC 3339' })
}
