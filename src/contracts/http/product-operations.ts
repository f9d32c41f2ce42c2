/** What operators ask: dead letters. */
import { Type } from 'typebox'
import type { Operation } from '../define.ts'
import { DeadLetter, DeadLetterList, DeadLetterStatus, DiscardDeadLetter } from '../resources/dead-letter.ts'
import { closed, Id, page, Text } from '../resources/primitives.ts'

const deadLetterId = Type.Object({ deadLetterId: Id('The dead letter') })

export const operationsOperations = {
  listDeadLetters: {
    method: 'GET',
    path: '/v1/dead-letters',
    tag: 'Operations',
    summary: 'List messages that a consumer set aside, oldest first',
    scope: 'operations:read',
    query: Type.Object(
      {
        ...page,
        consumer: Type.Optional(Text(128)),
        eventType: Type.Optional(Text(128)),
        reason: Type.Optional(Text(64)),
        key: Type.Optional(Text(256)),
        status: Type.Optional(DeadLetterStatus)
      },
      closed
    ),
    reply: { status: 200, body: DeadLetterList, description: 'A page of dead letters' },
    problems: ['invalid-cursor']
  },
  getDeadLetter: {
    method: 'GET',
    path: '/v1/dead-letters/{deadLetterId}',
    tag: 'Operations',
    summary: 'Get a dead letter',
    scope: 'operations:read',
    params: deadLetterId,
    reply: { status: 200, body: DeadLetter, description: 'The dead letter' }
  },
  replayDeadLetter: {
    method: 'POST',
    path: '/v1/dead-letters/{deadLetterId}/replay',
    tag: 'Operations',
    summary: 'Handle a dead letter once more, now',
    description: 'When it fails again it stays open, with the new error.',
    scope: 'operations:write',
    params: deadLetterId,
    reply: {
      status: 200,
      body: DeadLetter,
      description: 'The dead letter as it is now: replayed, or still open with its last error'
    },
    problems: ['illegal-transition']
  },
  discardDeadLetter: {
    method: 'POST',
    path: '/v1/dead-letters/{deadLetterId}/discard',
    tag: 'Operations',
    summary: 'Give up a dead letter, with a note why',
    scope: 'operations:write',
    params: deadLetterId,
    body: DiscardDeadLetter,
    reply: { status: 200, body: DeadLetter, description: 'The dead letter as it is now' },
    problems: ['illegal-transition']
  }
} as const satisfies Record<string, Operation>
