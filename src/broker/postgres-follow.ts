/** The owner of a consumer group on PostgreSQL at work: reads ahead, hands out, and moves the cursors over what is done with. */
import { openBell } from './bell.ts'
import type { BrokerLog, Delivery, Subscription } from './broker.ts'
import { openLanes } from './lanes.ts'
import type { Member, Session } from './postgres-subscription.ts'
import { openPrefix, type Prefix } from './prefix.ts'

type Followed = {
  topic: string
  prefix: Prefix
  lastRead: number
  /** Where the stored cursor stands. */
  stored: number
  pendingBytes: number
  /** There may be more than was read. */
  unread: boolean
}

/** Per topic: what is held in memory, and how far a stuck key may fall behind, which is delivered again after a crash. */
const WINDOW = { messages: 1_000, bytes: 16 * 1024 * 1024, span: 20_000 }
/** A message that somebody's SQL published, without a NOTIFY, arrives within this time. */
const POLL_MS = 500
/** Cursors are stored together and this much later, not once per message. */
const STORE_MS = 100

/** Follows until `ends` aborts; then waits for what is in flight and stores the cursors. */
export async function followTopics(
  session: Session,
  ends: AbortSignal,
  wakers: Set<Member['wake']>,
  subscription: Subscription,
  log?: BrokerLog
): Promise<void> {
  const { group } = subscription
  const followed = await cursors()
  const lanes = openLanes(subscription, log)
  const bell = openBell()
  const poll = setInterval(() => wake(), POLL_MS)
  let storeDue = false
  let storing: NodeJS.Timeout | undefined
  ends.addEventListener('abort', bell.ring, { once: true })
  wakers.add(wake)

  try {
    await session.listen('broker', topic => wake(new Set([topic])))
    while (!ends.aborted) {
      if (storeDue) await store()
      let arrived = 0
      for (const one of followed) if (hasRoom(one)) arrived += await read(one)
      if (arrived === 0) await bell.rung()
    }
  } finally {
    wakers.delete(wake)
    clearInterval(poll)
    await lanes.stop()
    clearTimeout(storing)
    if (!session.lost.aborted) await store()
  }

  async function cursors(): Promise<Followed[]> {
    const text = 'SELECT topic, position FROM broker.cursors WHERE consumer_group = $1 AND topic = ANY ($2)'
    return (await session.query(text, [group, subscription.topics])).map(row => {
      const position = Number(row.position)
      return {
        topic: `${row.topic}`,
        prefix: openPrefix(position),
        lastRead: position,
        stored: position,
        pendingBytes: 0,
        unread: true
      }
    })
  }

  function wake(topics?: ReadonlySet<string>): void {
    for (const one of followed) if (topics?.has(one.topic) ?? true) one.unread = true
    bell.ring()
  }

  async function read(one: Followed): Promise<number> {
    one.unread = false
    const limit = WINDOW.messages - one.prefix.pending
    const budget = WINDOW.bytes - one.pendingBytes
    const rows = await session.query(NEXT_PAGE, [one.topic, one.lastRead, limit, budget])
    let bytes = 0
    for (const row of rows) bytes += take(one, Number(row.position), toDelivery(one.topic, row))
    if (rows.length === limit || bytes >= budget) one.unread = true
    return rows.length
  }

  function take(one: Followed, position: number, delivery: Delivery): number {
    const bytes = delivery.body.byteLength
    one.lastRead = position
    one.pendingBytes += bytes
    one.prefix.add(position)
    lanes.add(delivery, async verdict => {
      if (verdict === 'dead-letter') await session.query(SET_ASIDE, [group, one.topic, position])
      one.pendingBytes -= bytes
      one.prefix.done(position)
      storing ??= setTimeout(becomeStoreDue, STORE_MS)
      if (hasRoom(one)) bell.ring()
    })
    return bytes
  }

  function becomeStoreDue(): void {
    storeDue = true
    bell.ring()
  }

  async function store(): Promise<void> {
    storeDue = false
    storing = undefined
    const moved = followed.map(one => ({ one, position: one.prefix.position })).filter(({ one, position }) => position > one.stored)
    if (moved.length === 0) return
    await session.query(STORE_CURSORS, [group, moved.map(({ one }) => one.topic), moved.map(({ position }) => position)])
    for (const { one, position } of moved) one.stored = position
  }
}

function hasRoom({ unread, prefix, pendingBytes }: Followed): boolean {
  return unread && prefix.pending <= WINDOW.messages / 2 && pendingBytes <= WINDOW.bytes / 2 && prefix.span < WINDOW.span
}

const NEXT_PAGE = `
  SELECT position, key, message_id, routing_key, headers, body
  FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY position) - octet_length(body) AS bytes_before
    FROM (SELECT * FROM broker.messages WHERE topic = $1 AND position > $2 ORDER BY position LIMIT $3) page
  ) sized
  WHERE bytes_before < $4 ORDER BY position`

const SET_ASIDE = `
  INSERT INTO broker.dead_letters (consumer_group, topic, position, key, message_id, routing_key, headers, body, published_at)
  SELECT $1, topic, position, key, message_id, routing_key, headers, body, published_at
  FROM broker.messages WHERE topic = $2 AND position = $3 ON CONFLICT DO NOTHING`

const STORE_CURSORS = `
  INSERT INTO broker.cursors (consumer_group, topic, position) SELECT $1, * FROM unnest($2::text[], $3::bigint[])
  ON CONFLICT (consumer_group, topic) DO UPDATE SET position = excluded.position, moved_at = now()`

function toDelivery(topic: string, row: Record<string, unknown>): Delivery {
  const headers = Object.entries(row.headers as Record<string, unknown>)
  return {
    topic,
    key: row.key as string,
    messageId: row.message_id as string,
    routingKey: row.routing_key as string,
    // A header that somebody's SQL left as a number or an object arrives as its JSON text.
    headers: Object.fromEntries(headers.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)])),
    body: row.body as Uint8Array,
    position: `${topic}@${row.position}`
  }
}
