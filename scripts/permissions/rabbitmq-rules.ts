/**
 * What RabbitMQ is told of who may do what. What is read it tells apart by type, by the key of a binding. What is published it does not: a user
 * who has queues or exchanges of its own can have those publish what it may not.
 */

import { EVERY_TYPE } from '#contracts/define.ts'
import { routingKey } from '#contracts/envelope.ts'
import { type EventConsumer, topics } from '#contracts/event-consumers.ts'
import { quoted } from './shell-words.ts'

type Permission = { user: string; vhost: string; configure: string; write: string; read: string }
type TopicPermission = { user: string; vhost: string; exchange: string; write: string; read: string }

/** As RabbitMQ imports and exports them. */
export type Definitions = { permissions: Permission[]; topic_permissions: TopicPermission[] }

const NOTHING = '^$'
const ANYTHING = '.*'

export function rabbitMqRules(consumers: Readonly<Record<string, EventConsumer>>, vhost: string): Definitions {
  const all = Object.entries(consumers).flatMap(([name, { user, ...consumer }]) => (user ? [{ name, user, ...consumer }] : []))
  return {
    permissions: all.map(({ name, user, driver, reads = {}, publishes = [] }) => {
      const read = topics.filter(topic => reads[topic])
      // Our driver declares the topics that it uses, and a queue's dead letters go through the exchange without a name.
      const [declared, besides] = driver ? [[...read, ...publishes], ['amq.default']] : [[], []]
      const allowed = (...names: readonly string[]) => [`^${name}(\\..+)?$`, ...names.map(exactly)].join('|')
      return { user, vhost, configure: allowed(...declared), write: allowed(...publishes, ...besides), read: allowed(...read) }
    }),
    topic_permissions: all.flatMap(({ user, reads = {}, publishes = [] }) =>
      topics.map(exchange => {
        const write = publishes.includes(exchange) ? ANYTHING : NOTHING
        return { user, vhost, exchange, write, read: bindingKeysOf(reads[exchange]) }
      })
    )
  }
}

const escaped = (text: string) => text.replaceAll('.', '\\.')
const exactly = (name: string) => `^${escaped(name)}$`

/** The keys by which a queue may be bound, to be given these types: they may leave the version open, and nothing else. */
function bindingKeysOf(types: readonly string[] | undefined): string {
  if (!types) return NOTHING
  if (types.includes(EVERY_TYPE)) return ANYTHING
  const keys = types.map(type => escaped(routingKey({ type, version: 1 }).replace(/\.v1$/, '')))
  return `^(${keys.join('|')})\\.(v[0-9]+|[*#])$`
}

/** The same as a script. What a user was allowed before is replaced. */
export function rabbitMqCommands({ permissions, topic_permissions }: Definitions): string {
  const words = (...all: string[]) => all.map(quoted).join(' ')
  return permissions
    .map(({ user, vhost, configure, write, read }) =>
      [
        `# ${user}, once made with: rabbitmqctl add_user ${words(user)}`,
        words('rabbitmqctl', 'set_permissions', '-p', vhost, user, configure, write, read),
        ...topic_permissions
          .filter(topic => topic.user === user)
          .map(topic => words('rabbitmqctl', 'set_topic_permissions', '-p', vhost, user, topic.exchange, topic.write, topic.read))
      ].join('\n')
    )
    .join('\n\n')
}
