/** Everything that can be measured, in the order in which it is. */
import { announcing } from './cases/announcing.ts'
import { footprint } from './cases/footprint.ts'
import { freshness } from './cases/freshness.ts'
import { fullSize } from './cases/full-size.ts'
import { identity } from './cases/identity.ts'
import { imports } from './cases/imports.ts'
import { lists } from './cases/lists.ts'
import { messagingKafka, messagingPostgres, messagingRabbitMq } from './cases/messaging-brokers.ts'
import { reads } from './cases/reads.ts'
import { releases } from './cases/releases.ts'
import { reservations } from './cases/reservations.ts'
import { webhooks } from './cases/webhooks.ts'
import type { Group } from './group.ts'

export const groups = {
  reads,
  identity,
  lists,
  reservations,
  releases,
  imports,
  announcing,
  'messaging-postgres': messagingPostgres,
  'messaging-rabbitmq': messagingRabbitMq,
  'messaging-kafka': messagingKafka,
  webhooks,
  footprint,
  'full-size': fullSize,
  freshness
} satisfies Record<string, Group>

export type GroupName = keyof typeof groups

/** The groups that `--only reads,lists` names; all without it. Throws for a name of nothing. */
export function groupsOf(names: string | undefined): GroupName[] {
  const all = Object.keys(groups) as GroupName[]
  if (names === undefined) return all
  const chosen = names.split(',')
  const unknown = chosen.filter(name => !(name in groups))
  if (unknown.length > 0) throw new Error(`There is no group ${unknown.join(', ')}. There are ${all.join(', ')}.`)
  return all.filter(name => chosen.includes(name))
}
