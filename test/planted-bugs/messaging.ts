/** Bugs between a commit and its effects: outbox, relay, brokers, consumers, signatures. */
import type { Plant } from './plants.ts'

const platform = (name: string) => `src/platform/${name}`

export const messaging: readonly Plant[] = [
  {
    id: 'ack-before-commit',
    what: 'a consumer acknowledges before its transaction has committed: a crash between the two loses the effect',
    file: platform('messaging/consume.ts'),
    find: `    return await guarded(consumer, decoded, 'broker', () => takeEffect(consumer, delivery, decoded))`,
    replace: `    void guarded(consumer, decoded, 'broker', () => takeEffect(consumer, delivery, decoded)).catch(() => {})
    return 'applied'`,
    test: {
      file: platform('messaging/consume.db.test.ts'),
      name: 'while the database is away an event is asked for again, and leaves neither a parked message nor a dead letter'
    }
  },
  {
    id: 'cursor-before-confirm',
    what: 'the outlet moves its cursor before the broker has accepted: what is in flight at a crash is never published',
    file: platform('messaging/outlet.ts'),
    find: `          await failpoint('outlet.before-publish')
          const accepted = await publish(session, batch)`,
    replace: `          await session.query('update outlets set position = $2, updated_at = now() where name = $1', [OUTLET, until])
          await failpoint('outlet.before-publish')
          const accepted = await publish(session, batch)`,
    test: {
      file: platform('messaging/outlet.db.test.ts'),
      name: 'a broker that is away holds up only its own cursor; when it is back, everything follows in order'
    }
  },
  {
    id: 'no-inbox',
    what: 'a consumer does not remember what it has taken effect of: a redelivery has its effect again',
    file: platform('migrations/0001-messaging.sql'),
    find: `  if not found then
    return 'duplicate';
  end if;`,
    replace: '',
    test: {
      file: platform('messaging/consume.db.test.ts'),
      name: 'though it is delivered twenty times at once to each of two processes'
    }
  },
  {
    id: 'inbox-after-effect',
    what: 'the claim of an event is a transaction of its own before the effect: a crash between them loses the effect',
    file: platform('messaging/consume.ts'),
    find: `    const claimed = await claim(tx, consumer, decoded, delivery.key)
    if (claimed === 'behind')`,
    replace: `    const claimed = await consumer.database.transact(before => claim(before, consumer, decoded, delivery.key))
    if (claimed === 'behind')`,
    test: { file: platform('messaging/consume.db.test.ts'), name: 'is parked and acknowledged, whatever its error says' }
  },
  {
    id: 'delete-before-log',
    what: 'the relay deletes from the outbox and writes the log in two transactions: a crash between them loses events',
    file: platform('messaging/relay.ts'),
    find: `  const [row] = await session.query<{ moved: number; head: number }>(move)`,
    replace: `  const first = 'select max(seq) from (select seq from outbox order by seq limit 1000) first'
  const taken = await session.query(\`delete from outbox where seq <= (\${first}) returning *\`)
  if (taken.length === 0) return { moved: 0, head: 0 }
  const rest = move.replace(/delete from outbox .* returning \\*/, 'select * from jsonb_populate_recordset(null::outbox, $1::jsonb)')
  const [row] = await session.query<{ moved: number; head: number }>(rest, [JSON.stringify(taken)])`,
    test: {
      file: platform('messaging/relay.db.test.ts'),
      name: 'a relay that has lost its connection in the middle of a move has moved nothing, and the next one does'
    }
  },
  {
    id: 'cursor-over-sequence',
    what: 'the relay remembers how far it has come in the sequence: what commits late, under a smaller number, is never seen',
    file: platform('messaging/relay.ts'),
    find: `async function moveBatch(session: Session): Promise<{ moved: number; head: number }> {
  const [row] = await session.query<{ moved: number; head: number }>(move)`,
    replace: `let reached = 0
async function moveBatch(session: Session): Promise<{ moved: number; head: number }> {
  const next = \`select seq from outbox where seq > \${reached} order by seq\`
  const [seen] = await session.query<{ last: number }>(\`select coalesce(max(seq), 0) as last from (\${next} limit 1000) first\`)
  const ahead = move.replace('where seq <=', \`where seq > \${reached} and seq <=\`).replace('select seq from outbox order by seq', next)
  const [row] = await session.query<{ moved: number; head: number }>(ahead)
  reached = Math.max(reached, seen!.last)`,
    test: {
      file: platform('messaging/relay.db.test.ts'),
      name: 'a transaction left open, here or in another database, holds back no event but its own'
    }
  },
  {
    id: 'announced-after-commit',
    what: 'the event is written after the commit of its change rather than with it: a crash between them loses the event',
    file: 'src/services/user/update-user.ts',
    find: `  announce(tx, UserUpdated, { userId: user.userId, name, roles, status }, user.version)`,
    replace: `  tx.afterCommit(() => {
    try {
      announce(tx, UserUpdated, { userId: user.userId, name, roles, status }, user.version)
    } catch {}
  })`,
    test: {
      file: 'src/services/user/user.test.ts',
      name: 'a change is announced as UserUpdated with the whole state and the next sequence'
    }
  },
  {
    id: 'failure-commits',
    what: 'a transaction whose work has thrown commits what it did until then: events of changes that never happened',
    file: platform('postgres/database.ts'),
    find: `    await execute(client, 'rollback').catch(() => abandon(client))`,
    replace: `    await execute(client, 'commit').catch(() => abandon(client))`,
    test: {
      file: platform('messaging/outbox.db.test.ts'),
      name: 'no event without its commit: neither after a refusal nor when a later statement fails'
    }
  },
  {
    id: 'told-before-commit',
    what: 'hooks that tell of a commit run although it failed: what was rolled back is acted on',
    file: platform('postgres/database.ts'),
    find: `  ended = true
  const { command } = await execute(client, 'commit')`,
    replace: `  ended = true
  for (const hook of hooks) hook()
  const { command } = await execute(client, 'commit')`,
    test: { file: platform('postgres/database.db.test.ts'), name: 'runs its hooks once it is committed, and never otherwise' }
  },
  {
    id: 'retry-overtakes-key',
    what: 'messages behind one that waits for another try are handled before it: the order within a key is lost',
    file: platform('migrations/0001-messaging.sql'),
    find: `  if exists (select from parked_messages where consumer = a_consumer and key = a_key) then
    return 'behind';
  end if;`,
    replace: '',
    test: {
      file: platform('messaging/consume.db.test.ts'),
      name: 'has the next messages of its key wait behind it, in order, while other keys flow'
    }
  },
  {
    id: 'prefix-with-holes',
    what: 'a group commits the highest position that is done with rather than the last before a gap: a crash loses what is in the gap',
    file: 'src/broker/prefix.ts',
    find: `      while (first < added.length && done.delete(added[first]!)) position = added[first++]!`,
    replace: `      position = Math.max(position, settled)
      while (first < added.length && done.delete(added[first]!)) first++`,
    test: { file: 'src/broker/postgres.test.ts', name: 'thousands of messages flow past a key that is stuck' }
  },
  {
    id: 'source-not-bound-to-keys',
    what: 'any key that is known verifies events of any source: a neighbour speaks for another',
    file: platform('signing/signature-check.ts'),
    find: `      const found = await trusted.keys.find(header.kid)`,
    replace: `      let found = await trusted.keys.find(header.kid)
      for (const other of keySets.values()) if (found.kind !== 'key') found = await other.keys.find(header.kid)`,
    test: {
      file: platform('signing/signature-check.db.test.ts'),
      name: 'a neighbour with good keys of its own cannot speak for another, nor on another’s topic'
    }
  },
  {
    id: 'key-set-evicted',
    what: 'the key set is forgotten when it cannot be fetched: an outage of a neighbour stops its events',
    file: platform('signing/kept-keys.ts'),
    find: `    } catch (cause) {
      failures++`,
    replace: `    } catch (cause) {
      known = undefined
      failures++`,
    test: {
      file: platform('signing/key-sets.db.test.ts'),
      name: 'the last good key set holds, however long that takes, and is asked for once a minute at most'
    }
  }
]
