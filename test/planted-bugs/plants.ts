/**
 * Bugs that others have made, each planted into a copy of the tree by `npm run planted-bugs`: the test that is named must turn red. Whoever
 * changes the text of a place takes the plant along.
 */
export type Plant = {
  id: string
  /** The bug, and what would come of it. */
  what: string
  file: string
  /** Stands there exactly once, and becomes `replace`. */
  find: string
  replace: string
  /** The test that must notice: its file and its whole name. */
  test: { file: string; name: string }
}

const platform = (name: string) => `src/platform/${name}`
const inventory = (name: string) => `src/services/product/inventory/${name}`

export const plants: readonly Plant[] = [
  {
    id: 'ack-before-commit',
    what: 'a consumer acknowledges before its transaction has committed: a crash between the two loses the effect',
    file: platform('consume.ts'),
    find: `    return await guarded(consumer, decoded, 'broker', () => takeEffect(consumer, delivery, decoded))`,
    replace: `    void guarded(consumer, decoded, 'broker', () => takeEffect(consumer, delivery, decoded)).catch(() => {})
    return 'applied'`,
    test: { file: platform('consume.db.test.ts'), name: 'though the process is killed before it could acknowledge' }
  },
  {
    id: 'cursor-before-confirm',
    what: 'the outlet moves its cursor before the broker has accepted: what is in flight at a crash is never published',
    file: platform('outlet.ts'),
    find: `          await failpoint('outlet.before-publish')
          const accepted = await publish(session, events)`,
    replace: `          await session.query('update outlets set position = $2, updated_at = now() where name = $1', [OUTLET, events.at(-1)!.position])
          await failpoint('outlet.before-publish')
          const accepted = await publish(session, events)`,
    test: {
      file: platform('outlet.db.test.ts'),
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
    test: { file: platform('consume.db.test.ts'), name: 'though it is delivered twenty times at once to each of two processes' }
  },
  {
    id: 'inbox-after-effect',
    what: 'the claim of an event is a transaction of its own before the effect: a crash between them loses the effect',
    file: platform('consume.ts'),
    find: `    const claimed = await claim(tx, consumer, decoded, delivery.key)
    if (claimed === 'behind')`,
    replace: `    const claimed = await consumer.database.transact(before => claim(before, consumer, decoded, delivery.key))
    if (claimed === 'behind')`,
    test: { file: platform('consume.db.test.ts'), name: 'is parked and acknowledged, whatever its error says' }
  },
  {
    id: 'delete-before-log',
    what: 'the relay deletes from the outbox and writes the log in two transactions: a crash between them loses events',
    file: platform('relay.ts'),
    find: `  const [row] = await session.query<{ moved: number; head: number }>(move)`,
    replace: `  const first = 'select max(seq) from (select seq from outbox order by seq limit 1000) first'
  const taken = await session.query(\`delete from outbox where seq <= (\${first}) returning *\`)
  if (taken.length === 0) return { moved: 0, head: 0 }
  const rest = move.replace(/delete from outbox .* returning \\*/, 'select * from jsonb_populate_recordset(null::outbox, $1::jsonb)')
  const [row] = await session.query<{ moved: number; head: number }>(rest, [JSON.stringify(taken)])`,
    test: {
      file: platform('relay.db.test.ts'),
      name: 'a relay that has lost its connection in the middle of a move has moved nothing, and the next one does'
    }
  },
  {
    id: 'cursor-over-sequence',
    what: 'the relay remembers how far it has come in the sequence: what commits late, under a smaller number, is never seen',
    file: platform('relay.ts'),
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
      file: platform('relay.db.test.ts'),
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
    file: platform('database.ts'),
    find: `    await execute(client, 'rollback').catch(() => abandon(client))`,
    replace: `    await execute(client, 'commit').catch(() => abandon(client))`,
    test: {
      file: platform('outbox.db.test.ts'),
      name: 'no event without its commit: neither after a refusal nor when a later statement fails'
    }
  },
  {
    id: 'told-before-commit',
    what: 'hooks that tell of a commit run although it failed: what was rolled back is acted on',
    file: platform('database.ts'),
    find: `  ended = true
  const { command } = await execute(client, 'commit')`,
    replace: `  ended = true
  for (const hook of hooks) hook()
  const { command } = await execute(client, 'commit')`,
    test: { file: platform('database.db.test.ts'), name: 'runs its hooks once it is committed, and never otherwise' }
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
      file: platform('consume.db.test.ts'),
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
    id: 'stock-without-lock',
    what: 'stock is read, calculated and written without a lock: two orders get the same unit',
    file: inventory('stock-book.ts'),
    find: `  order by l.variant_id, l.location_id
  for update of l\``,
    replace: `  order by l.variant_id, l.location_id\``,
    test: {
      file: 'test/journeys/never-oversold.test.ts',
      name: 'of 500 concurrent requests for 100 units exactly 100 are granted, with 3 process(es)'
    }
  },
  {
    id: 'unordered-locks',
    what: 'levels are locked in another order than elsewhere: transactions wait for one another in a circle',
    file: inventory('stock-book.ts'),
    find: `  order by l.variant_id, l.location_id
  for update of l\``,
    replace: `  order by l.variant_id desc, l.location_id
  for update of l\``,
    test: {
      file: inventory('lock-order.db.test.ts'),
      name: 'levels are locked in one order, in whichever they are asked for: who waits for one has none that comes after it'
    }
  },
  {
    id: 'expiry-ignores-race',
    what: 'the sweep ends holds that somebody is committing at that moment: their units are sold, and given back as well',
    file: inventory('expire-reservations.ts'),
    find: `order by expires_at limit \${BATCH} for update skip locked\``,
    replace: `order by expires_at limit \${BATCH}\``,
    test: {
      file: inventory('lock-order.db.test.ts'),
      name: 'a sweep passes by a hold that somebody is changing at that moment, and ends it when it is still there afterwards'
    }
  },
  {
    id: 'version-before-lock',
    what: 'the version of If-Match is compared with a row that is not locked: two writers that saw the same version both win',
    file: 'src/services/product/catalog/lock-product.ts',
    find: `'select document, sequence from products where product_id = $1 for update'`,
    replace: `'select document, sequence from products where product_id = $1'`,
    test: {
      file: 'src/services/product/catalog/concurrent-changes.db.test.ts',
      name: 'of 64 writers that saw the same version exactly one wins, version after version'
    }
  },
  {
    id: 'idempotency-after-effect',
    what: 'the idempotency record is not of the transaction of its effect: a repeated request has its effect again',
    file: platform('http-answers.ts'),
    find: `  storeReplies(tx, [{ request: idempotent, reply }])
  return reply`,
    replace: `  tx.afterCommit(() => {
    try {
      storeReplies(tx, [{ request: idempotent, reply }])
    } catch {}
  })
  return reply`,
    test: { file: 'test/retried-requests.test.ts', name: 'after the commit is given again' }
  },
  {
    id: 'idempotency-of-anybody',
    what: 'idempotency keys are not those of who uses them: somebody gets the reply to a request of somebody else',
    file: platform('http-answers.ts'),
    find: `    principal: request.actor.subject,`,
    replace: `    principal: '',`,
    test: { file: 'test/retried-requests.test.ts', name: 'of somebody else is a request of its own' }
  },
  {
    id: 'cursor-unauthenticated',
    what: 'cursors of listings are taken for what they say: anybody can make one',
    file: platform('cursor.ts'),
    find: `      if (!genuine || !timingSafeEqual(tagOf(listing, payload), bytes.subarray(0, TAG_BYTES))) throw new Problem('invalid-cursor')`,
    replace: `      if (!genuine) throw new Problem('invalid-cursor')`,
    test: { file: platform('cursor.test.ts'), name: 'a cursor of which one bit is another is refused, wherever the bit is' }
  },
  {
    id: 'float-money',
    what: 'money is calculated in floating point: large and small amounts are rounded',
    file: 'src/contracts/resources/money.ts',
    find: `  return BigInt(whole + fraction.padEnd(exponent, '0'))`,
    replace: `  return BigInt(Math.trunc(Number(\`\${whole}.\${fraction || 0}\`) * 10 ** exponent))`,
    test: {
      file: 'src/contracts/resources/money.test.ts',
      name: 'is the same after it was made minor units and back, in every currency'
    }
  },
  {
    id: 'cancel-before-create',
    what: 'a cancellation that comes before its order is forgotten: the order then holds stock for ever',
    file: inventory('reservation.ts'),
    find: `  return cancelled ? 'released' : 'reserved'`,
    replace: `  return 'reserved'`,
    test: {
      file: inventory('react-to-orders.db.test.ts'),
      name: 'every permutation of the order events, with duplicates, ends in the one state of their set'
    }
  },
  {
    id: 'low-stock-per-decrement',
    what: 'low stock is told at every sale below the threshold rather than once: a flood of alerts',
    file: inventory('low-stock.ts'),
    find: `  if (low && !item.low) {`,
    replace: `  if (low) {`,
    test: { file: inventory('low-stock.test.ts'), name: 'low stock is told once, when a variant falls to its threshold' }
  },
  {
    id: 'source-not-bound-to-keys',
    what: 'any key that is known verifies events of any source: a neighbour speaks for another',
    file: platform('signature-check.ts'),
    find: `      const found = await trusted.keys.find(header.kid)`,
    replace: `      let found = await trusted.keys.find(header.kid)
      for (const other of keySets.values()) if (found.kind !== 'key') found = await other.keys.find(header.kid)`,
    test: {
      file: platform('signature-check.db.test.ts'),
      name: 'a neighbour with good keys of its own cannot speak for another, nor on another’s topic'
    }
  },
  {
    id: 'key-set-evicted',
    what: 'the key set is forgotten when it cannot be fetched: an outage of a neighbour stops its events',
    file: platform('key-sets.ts'),
    find: `    } catch (cause) {
      failures++`,
    replace: `    } catch (cause) {
      known = undefined
      failures++`,
    test: {
      file: platform('key-sets.db.test.ts'),
      name: 'the last good key set holds, however long that takes, and is asked for less and less often'
    }
  },
  {
    id: 'audience-unchecked',
    what: 'tokens that were issued for somebody else are let in',
    file: platform('auth.ts'),
    find: `        audience: options.audience,
        typ`,
    replace: `        typ`,
    test: {
      file: platform('auth.test.ts'),
      name: 'is refused when what it claims is not for us, not now, or not to be stored'
    }
  },
  {
    id: 'stops-at-once',
    what: 'at SIGTERM connections are closed before the requests on them are answered',
    file: platform('http-server.ts'),
    find: `      await app.close()
      clearTimeout(timer)`,
    replace: `      server.closeAllConnections()
      await app.close()
      clearTimeout(timer)`,
    test: { file: platform('http.test.ts'), name: 'answers what it has accepted, and takes nothing new' }
  },
  {
    id: 'no-retry-after',
    what: 'who is refused for being too much is not told when to come again',
    file: platform('http-problems.ts'),
    find: `    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) })`,
    replace: '',
    test: {
      file: platform('http.test.ts'),
      name: 'refuses what is too much and says when to come again; what it has taken on it does'
    }
  }
]
