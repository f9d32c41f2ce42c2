/** Bugs of what services do, and of the edge around them: stock, money, versions, repeated requests, who may. */
import type { Plant } from './plants.ts'

const platform = (name: string) => `src/platform/${name}`
const inventory = (name: string) => `src/services/product/inventory/${name}`

export const services: readonly Plant[] = [
  {
    id: 'stock-without-lock',
    what: 'stock is read, calculated and written without a lock: two orders get the same unit',
    file: inventory('stock-book.ts'),
    find: `  order by l.variant_id, l.location_id
  for update of l\``,
    replace: `  order by l.variant_id, l.location_id\``,
    test: {
      file: inventory('lock-order.db.test.ts'),
      name: 'whoever wants stock waits for who is taking it, and is refused what is gone by then'
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
    id: 'product-without-lock',
    what: 'a product is read without a lock, changed and written: changes that are made at once refuse or overwrite one another',
    file: 'src/services/product/catalog/lock-product.ts',
    find: `'select document, sequence from products where product_id = $1 for update'`,
    replace: `'select document, sequence from products where product_id = $1'`,
    test: {
      file: 'src/services/product/catalog/concurrent-changes.db.test.ts',
      name: 'changes of different things at once all survive, each with its version and its event'
    }
  },
  {
    id: 'idempotency-after-effect',
    what: 'the idempotency record is not of the transaction of its effect: a repeated request has its effect again',
    file: platform('http/http-writes.ts'),
    find: `  storeReplies(tx, [{ request: idempotent, reply: kept }])
  return reply`,
    replace: `  tx.afterCommit(() => {
    try {
      storeReplies(tx, [{ request: idempotent, reply: kept }])
    } catch {}
  })
  return reply`,
    test: { file: 'test/retried-requests.test.ts', name: 'after the commit is given again' }
  },
  {
    id: 'idempotency-of-anybody',
    what: 'idempotency keys are not those of who uses them: somebody gets the reply to a request of somebody else',
    file: platform('http/http-writes.ts'),
    find: `    principal: principalOf(request.actor),`,
    replace: `    principal: '',`,
    test: { file: 'test/retried-requests.test.ts', name: 'of somebody else is a request of its own' }
  },
  {
    id: 'cursor-unauthenticated',
    what: 'cursors of listings are taken for what they say: anybody can make one',
    file: platform('http/cursor.ts'),
    find: `      if (!genuine || !timingSafeEqual(tagOf(listing, payload), bytes.subarray(0, TAG_BYTES))) throw new Problem('invalid-cursor')`,
    replace: `      if (!genuine) throw new Problem('invalid-cursor')`,
    test: { file: platform('http/cursor.test.ts'), name: 'a cursor of which one bit is another is refused, wherever the bit is' }
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
    id: 'token-for-ever',
    what: 'a token that was verified once is let in after it has expired',
    file: platform('identity/auth.ts'),
    find: 'known && known.expiresAtMs > now() && ',
    replace: 'known && ',
    test: { file: platform('identity/auth.test.ts'), name: 'dies when it expires' }
  },
  {
    id: 'stops-at-once',
    what: 'at SIGTERM connections are closed before the requests on them are answered',
    file: platform('http/http-server.ts'),
    find: `      await app.close()
      clearTimeout(timer)`,
    replace: `      server.closeAllConnections()
      await app.close()
      clearTimeout(timer)`,
    test: { file: platform('http/http.test.ts'), name: 'answers what it has accepted, and takes nothing new' }
  },
  {
    id: 'no-retry-after',
    what: 'who is refused for being too much is not told when to come again',
    file: platform('http/http-problems.ts'),
    find: `    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) })`,
    replace: '',
    test: {
      file: platform('http/http.test.ts'),
      name: 'refuses what is too much and says when to come again; what it has taken on it does'
    }
  }
]
