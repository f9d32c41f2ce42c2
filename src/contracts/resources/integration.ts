/** What a service stands on outside of itself, and how that is doing as its processes see it. */
import { type Static, Type } from 'typebox'
import { extensible, Nullable, Timestamp } from './primitives.ts'

const State = Type.Union([Type.Literal('up'), Type.Literal('degraded'), Type.Literal('down'), Type.Literal('unknown')], {
  ...extensible,
  description:
    'up: it answers. degraded: the last try failed, or some of our processes do not reach it, or what waits for it is old. down: it does not answer, or nobody works on it. unknown: nobody has tried yet'
})
export type IntegrationState = 'up' | 'degraded' | 'down' | 'unknown'

const Breaker = Nullable(
  Type.Union([Type.Literal('closed'), Type.Literal('half-open'), Type.Literal('open')], {
    ...extensible,
    description: 'closed: calls go out. open: they are refused at once. half-open: one tries whether it is back'
  })
)

const seen = {
  state: State,
  breaker: Breaker,
  lastSuccessAt: Nullable(Timestamp),
  lastErrorAt: Nullable(Timestamp),
  lastError: Nullable(Type.String({ description: 'In words, without addresses: unreachable (ECONNREFUSED)' }))
}

export const Integration = Type.Object(
  {
    name: Type.String({ description: 'Such as broker, user-service or keys of /order-service' }),
    kind: Type.Union([Type.Literal('http'), Type.Literal('broker'), Type.Literal('outlet')], extensible),
    ...seen,
    lag: Nullable(
      Type.Integer({
        description: 'Of the broker: messages that wait in it for us. Of an outlet: events that it has yet to hand on'
      })
    ),
    lagSeconds: Nullable(Type.Number({ description: 'Of an outlet: the age of the oldest of them' })),
    processes: Type.Array(
      Type.Object({
        process: Type.String({ description: 'Host and process id' }),
        parts: Type.Array(Type.String(), { description: 'What runs in it: api, relay, consumers, timers' }),
        ...seen
      }),
      { description: 'How each process of this service that was heard of in the last ten seconds sees it' }
    )
  },
  { title: 'Integration' }
)
export type Integration = Static<typeof Integration>

export const IntegrationList = Type.Object({ data: Type.Array(Integration) }, { title: 'IntegrationList' })
