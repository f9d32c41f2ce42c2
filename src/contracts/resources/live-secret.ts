/** A secret of which there may be two while one is exchanged for another, as whoever may look is told of it. */
import { Type } from 'typebox'
import { Id, Nullable, Timestamp } from './primitives.ts'

/** `ends` says until when it is good for what. */
export const LiveSecret = (ends: string, options: { title: string; description: string }) =>
  Type.Object(
    {
      secretId: Id('The secret'),
      createdAt: Timestamp,
      endsAt: Nullable(Type.String({ format: 'date-time', maxLength: 40, description: ends }))
    },
    options
  )
