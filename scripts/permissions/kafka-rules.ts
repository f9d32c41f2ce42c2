/** What Kafka is told of who may do what: ACLs of topics and groups. It knows no types. */
import type { EventConsumer } from '#contracts/event-consumers.ts'
import { quoted } from './shell-words.ts'
import { type OnTopics, wholeTopics, withheldNotes } from './whole-topics.ts'

type Acl = {
  principal: string
  operations: readonly string[]
  resource: 'topic' | 'group'
  name: string
  pattern: 'literal' | 'prefixed'
}

export type KafkaRules = { acls: Acl[]; withheld: string[] }

export function kafkaRules(consumers: Readonly<Record<string, EventConsumer>>): KafkaRules {
  const all = wholeTopics(consumers)
  return { acls: all.flatMap(aclsOf), withheld: all.flatMap(({ user, withheld }) => withheld.map(what => `${user} ${what}`)) }
}

function aclsOf({ name, user, driver, reads, publishes }: OnTopics): Acl[] {
  const of = { principal: `User:${user}` }
  // Our driver creates the topics that are missing.
  const created = driver ? ['Create'] : []
  const topic =
    (operation: string) =>
    (name: string): Acl => ({
      ...of,
      operations: ['Describe', operation, ...created],
      resource: 'topic',
      name,
      pattern: 'literal'
    })
  const group = { ...of, operations: ['Describe', 'Read'], resource: 'group' } as const
  // Some tools read without a group.
  const groups: Acl[] =
    reads.length === 0
      ? []
      : [
          { ...group, name, pattern: 'literal' },
          { ...group, name: `${name}.`, pattern: 'prefixed' }
        ]
  const deadLetters: Acl[] =
    driver && reads.length > 0
      ? [{ ...of, operations: ['Describe', 'Write', 'Create'], resource: 'topic', name: `${name}.`, pattern: 'prefixed' }]
      : []
  return [...reads.map(topic('Read')), ...publishes.map(topic('Write')), ...groups, ...deadLetters]
}

/** The same as a script. It adds: what was permitted before and is not here any more is removed by hand. */
export function kafkaCommands(consumers: Readonly<Record<string, EventConsumer>>): string {
  const scripts = wholeTopics(consumers).map(consumer => [
    `# ${consumer.user}`,
    ...withheldNotes(consumer, '#'),
    ...aclsOf(consumer).map(({ principal, operations, resource, name, pattern }) => {
      const allowed = operations.flatMap(operation => ['--operation', operation])
      const on = [`--${resource}`, name, '--resource-pattern-type', pattern]
      const words = ['--add', '--allow-principal', principal, ...allowed, ...on]
      return `kafka-acls.sh --bootstrap-server "$KAFKA" --command-config "$KAFKA_ADMIN" ${words.map(quoted).join(' ')}`
    })
  ])
  const setting = `: "\${KAFKA:?host:port of a broker}" "\${KAFKA_ADMIN:?a file with the settings of a user who may change ACLs}"`
  return [setting, ...scripts.map(lines => lines.join('\n'))].join('\n\n')
}
