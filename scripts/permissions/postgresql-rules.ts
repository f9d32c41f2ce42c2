/**
 * What the broker inside PostgreSQL is told of who may do what, at its door for outsiders. It knows no types. Services made of this repository
 * do not come through that door: they work in the schema as its owner.
 */
import type { EventConsumer } from '#contracts/event-consumers.ts'
import { type OnTopics, wholeTopics, withheldNotes } from './whole-topics.ts'

export type PostgresqlRules = { permissions: { client: string; may: 'publish' | 'fetch'; topic: string }[]; withheld: string[] }

export function postgresqlRules(consumers: Readonly<Record<string, EventConsumer>>): PostgresqlRules {
  const all = outsiders(consumers)
  return {
    permissions: all.flatMap(permissionsOf),
    withheld: all.flatMap(({ user, withheld }) => withheld.map(what => `${user} ${what}`))
  }
}

const outsiders = (consumers: Readonly<Record<string, EventConsumer>>) => wholeTopics(consumers).filter(({ driver }) => !driver)

function permissionsOf({ user, reads, publishes }: OnTopics): PostgresqlRules['permissions'] {
  return [
    ...reads.map(topic => ({ client: user, may: 'fetch' as const, topic })),
    ...publishes.map(topic => ({ client: user, may: 'publish' as const, topic }))
  ]
}

/** The same as SQL, for the owner of the schema. What a role was permitted before is replaced. */
export function postgresqlStatements(consumers: Readonly<Record<string, EventConsumer>>): string {
  const scripts = outsiders(consumers).map(consumer => {
    const { user } = consumer
    // Of a user's name only letters, digits, dots, hyphens and underscores are taken: nothing in it ends a name or a text.
    const rows = permissionsOf(consumer).map(({ client, may, topic }) => `  ('${client}', '${may}', '${topic}')`)
    return [
      `-- ${user}: give it a password with \\password "${user}"`,
      ...withheldNotes(consumer, '--'),
      `DO $$ BEGIN IF to_regrole('"${user}"') IS NULL THEN CREATE ROLE "${user}" LOGIN; END IF; END $$;`,
      `GRANT broker_client TO "${user}";`,
      `DELETE FROM broker.permissions WHERE client = '${user}';`,
      ...(rows.length > 0 ? [`INSERT INTO broker.permissions (client, may, topic) VALUES\n${rows.join(',\n')};`] : [])
    ].join('\n')
  })
  const ours = wholeTopics(consumers).filter(({ driver }) => driver)
  const note = `-- ${ours.map(({ name }) => name).join(', ')}: as the owner of the schema, by BROKER_URL or DATABASE_URL`
  return ['BEGIN;', note, ...scripts, 'COMMIT;'].join('\n\n')
}
