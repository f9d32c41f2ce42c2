/** What operators ask: dead letters, and how what is outside is doing. */
import { Type } from 'typebox'
import type { Operation } from '../define.ts'
import {
  DeadLetter,
  DeadLetterList,
  DeadLetterStatus,
  DiscardDeadLetter,
  DiscardDeadLetters,
  DiscardedDeadLetters,
  deadLetterFilter,
  ReplayDeadLetters,
  ReplayedDeadLetters
} from '../resources/dead-letter.ts'
import { IntegrationList } from '../resources/integration.ts'
import { closed, Id, page } from '../resources/primitives.ts'

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
        ...deadLetterFilter,
        status: Type.Optional(DeadLetterStatus)
      },
      closed
    ),
    reply: { status: 200, body: DeadLetterList, description: 'A page of dead letters' },
    problems: ['invalid-cursor']
  },
  replayDeadLetters: {
    method: 'POST',
    path: '/v1/dead-letters/replay',
    tag: 'Operations',
    summary: 'Handle every open dead letter that matches once more, oldest first',
    description:
      'A call does some of it, so that nobody waits long: call again with `next` as `after` until it is null. What fails again stays open. Sent twice, it does not handle twice what succeeded.',
    scope: 'operations:write',
    body: ReplayDeadLetters,
    reply: { status: 200, body: ReplayedDeadLetters, description: 'What became of them' }
  },
  discardDeadLetters: {
    method: 'POST',
    path: '/v1/dead-letters/discard',
    tag: 'Operations',
    summary: 'Give up every open dead letter that matches, with a note why',
    description: 'A call does some of it: call again with `next` as `after` until it is null.',
    scope: 'operations:write',
    body: DiscardDeadLetters,
    reply: { status: 200, body: DiscardedDeadLetters, description: 'What became of them' }
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
  },
  listIntegrations: {
    method: 'GET',
    path: '/v1/integrations',
    tag: 'Operations',
    summary: 'List everything outside that this service stands on, and how it is doing',
    description:
      'The broker, the outlets, other services, issuers and key sets, each with its state, circuit breaker, last success, last error and lag, as the processes of the service see it. What nobody has called for a while is asked every few seconds; no answer is older than about ten.',
    scope: 'operations:read',
    reply: { status: 200, body: IntegrationList, description: 'All of them, by name' }
  }
} as const satisfies Record<string, Operation>
