/** What operators do about dead letters: replay or discard one, or all that match. */
import { Problem } from '#contracts/problems.ts'
import type { DeadLetter, DeadLetterGroup, DiscardedDeadLetters, ReplayedDeadLetters } from '#contracts/resources/dead-letter.ts'
import { type Audited, keepBefore, recordOutcomes } from '../audit/audit.ts'
import type { Database, Transaction } from '../postgres/database.ts'
import { isAway } from '../postgres/database-errors.ts'
import { refusedAs, SignatureRefused, verified } from '../signing/verify-signature.ts'
import { type Consumer, decodeFor, describe, keyLock, react } from './consumer.ts'
import { CRASHES_MAX } from './crash-watch.ts'
import {
  claimInInbox,
  type DeadLetterFilter,
  type DeadLetterRow,
  matching,
  readDeadLetter,
  toDeadLetter,
  WHOLE
} from './dead-letters.ts'

/**
 * Handles a dead letter once more: past the inbox, but with the behaviour's own version guards and states. When it fails again it
 * stays open with the new error. Throws `not-found`, or `illegal-transition` when it is not open.
 */
export async function replayDeadLetter(
  database: Database,
  consumers: readonly Consumer[],
  deadLetterId: string,
  actor: string,
  audited?: Audited
): Promise<DeadLetter> {
  await database.query(MARK_BEGUN, [deadLetterId])
  return handleAgain(database, consumers, deadLetterId, actor, audited)
}

async function handleAgain(
  database: Database,
  consumers: readonly Consumer[],
  deadLetterId: string,
  actor: string,
  audited: Audited | undefined
): Promise<DeadLetter> {
  let handling = false
  try {
    return await database.transact(async tx => {
      handling = false
      const row = await lockOpen(tx, deadLetterId)
      const consumer = consumers.find(consumer => consumer.name === row.consumer)
      if (!consumer) throw new Problem('illegal-transition', `The consumer ${row.consumer} is not part of this service any more`)
      await tx.query(`select pg_advisory_xact_lock(${keyLock})`, [consumer.name, row.key])
      const { topic, key, headers, body } = row
      const message = { topic, key, messageId: row.message_id || (row.event_id ?? ''), routingKey: row.routing_key, headers, body }
      handling = true
      const decoded = await verified(consumer, message, decodeFor(consumer, message))
      if (decoded.kind === 'unverified') throw new SignatureRefused('signature-unknown-key', decoded.error)
      if (decoded.kind === 'invalid') throw refusedAs(decoded)
      if (decoded.kind === 'ignored') throw new Problem('not-found', 'Nothing reacts to this event any more')
      // What was not believed had no place in the inbox; the same event may have come again, and been believed.
      const applied = row.reason.startsWith('signature-') && !(await claimInInbox(tx, consumer, decoded.source, decoded.eventId))
      if (!applied) await react(tx, consumer, decoded, message)
      const replayed = await resolve(tx, deadLetterId, 'replayed', actor, null)
      record(tx, audited, toDeadLetter(row), replayed)
      return replayed
    })
  } catch (error) {
    if (!handling || isAway(error)) throw error
    return database.transact(async tx => {
      const before = await readDeadLetter(tx, deadLetterId)
      await tx.query(
        `update dead_letters set attempts = attempts + 1, begun = 0, last_error = $2, updated_at = now()
         where dead_letter_id = $1 and status = 'open'`,
        [deadLetterId, describe(error)]
      )
      const after = await readDeadLetter(tx, deadLetterId)
      record(tx, audited, before, after)
      return after
    })
  }
}

/** In the transaction of each: those that are replayed together are changed one by one. */
function record(tx: Transaction, audited: Audited | undefined, before: DeadLetter, after: DeadLetter): void {
  if (!audited) return
  keepBefore(tx, before)
  const resourceOf = () => ({ type: 'dead-letter', id: after.deadLetterId })
  recordOutcomes(tx, [{ audited: { ...audited, resourceOf }, result: after, status: 200 }])
}

/** Gives up a dead letter. Throws `not-found`, or `illegal-transition` when it is not open. */
export async function discardDeadLetter(
  tx: Transaction,
  deadLetterId: string,
  actor: string,
  note: string | null
): Promise<DeadLetter> {
  keepBefore(tx, toDeadLetter(await lockOpen(tx, deadLetterId)))
  return resolve(tx, deadLetterId, 'discarded', actor, note)
}

/** So many open dead letters that match, after one. */
export type Slice = {
  filter: DeadLetterFilter
  after?: string | undefined
  limit?: number | undefined
  dryRun?: boolean | undefined
}

const LIMIT = 100
/** The rest is for the next call: nobody waits long for an answer, and no more is lost should the process die. */
const SLICE_MS = 3_000

/**
 * Replays those that match, oldest first, each in a transaction of its own. One that fails stays open and stops no other. Skipped are those
 * that somebody else is at, and those whose replay was begun so often without an end that it may be what kills the process.
 */
export async function replayDeadLetters(
  database: Database,
  consumers: readonly Consumer[],
  { filter, after, limit = LIMIT, dryRun = false }: Slice,
  actor: string,
  audited?: Audited
): Promise<ReplayedDeadLetters> {
  const open = { ...filter, status: 'open', after: after ?? null } as const
  const { matched, groups } = await survey(database.queryAfresh, open, dryRun)
  const counts = { replayed: 0, failed: 0, skipped: 0 }
  if (dryRun) return { dryRun, matched, ...counts, groups, next: null }
  const { where, values } = matching(open)
  const ids = await database.queryAfresh<{ id: string; begun: number }>(
    `select dead_letter_id as id, begun from dead_letters where ${where} order by dead_letter_id limit $${values.length + 1}`,
    [...values, limit]
  )
  const endsAt = performance.now() + SLICE_MS
  let last: string | undefined
  for (const { id, begun } of ids) {
    if (last && performance.now() > endsAt) break
    counts[begun < CRASHES_MAX ? await replayed(database, consumers, id, actor, audited) : 'skipped']++
    last = id
  }
  const isLast = ids.length < limit && last === ids.at(-1)?.id
  return { dryRun, matched, ...counts, groups, next: isLast ? null : (last ?? null) }
}

async function replayed(
  database: Database,
  consumers: readonly Consumer[],
  id: string,
  actor: string,
  audited: Audited | undefined
) {
  const marked = await database.query(MARK_BEGUN_IF_FREE, [id])
  if (marked.length === 0) return 'skipped'
  try {
    const { status } = await handleAgain(database, consumers, id, actor, audited)
    return status === 'replayed' ? 'replayed' : 'failed'
  } catch (error) {
    // Resolved meanwhile, or of a consumer that is gone.
    if (!(error instanceof Problem)) throw error
    await database.query('update dead_letters set begun = 0 where dead_letter_id = $1', [id])
    return 'skipped'
  }
}

/** Gives up those that match, oldest first, but for those that are being replayed. */
export async function discardDeadLetters(
  tx: Transaction,
  { filter, after, limit = LIMIT, dryRun = false }: Slice,
  actor: string,
  note: string
): Promise<DiscardedDeadLetters> {
  const open = { ...filter, status: 'open', after: after ?? null } as const
  const { matched, groups } = await survey(tx.query, open, dryRun)
  if (dryRun) return { dryRun, matched, discarded: 0, groups, next: null }
  const { where, values } = matching(open)
  const next = values.length + 1
  const rows = await tx.query<{ id: string }>(
    `update dead_letters set status = 'discarded', resolved_by = $${next}, note = $${next + 1}, begun = 0, updated_at = now()
     where dead_letter_id in (
       select dead_letter_id from dead_letters where ${where} order by dead_letter_id limit $${next + 2} for update skip locked
     ) returning dead_letter_id as id`,
    [...values, actor, note, limit]
  )
  const last = rows
    .map(({ id }) => id)
    .sort()
    .at(-1)
  return { dryRun, matched, discarded: rows.length, groups, next: rows.length < limit ? null : (last ?? null) }
}

/** How many there are, and for a dry run of what kinds. */
async function survey(query: Database['queryAfresh'], filter: Parameters<typeof matching>[0], dryRun: boolean) {
  const { where, values } = matching(filter)
  if (!dryRun) {
    const [row] = await query<{ matched: number }>(`select count(*) as matched from dead_letters where ${where}`, values)
    return { matched: row!.matched, groups: [] }
  }
  const rows = await query<DeadLetterGroup & { matched: number }>(
    `select consumer, event_type as "eventType", reason, count(*) as count, min(received_at) as "firstReceivedAt",
       max(received_at) as "lastReceivedAt", (sum(count(*)) over ())::bigint as matched
     from dead_letters where ${where} group by consumer, event_type, reason order by count(*) desc, 1, 2, 3 limit 100`,
    values
  )
  return { matched: rows[0]?.matched ?? 0, groups: rows.map(({ matched: _, ...group }) => group) }
}

/** Remembered before it is handled, so that a replay which kills its process leaves it behind. */
const MARK_BEGUN = `update dead_letters set begun = begun + 1 where dead_letter_id = $1 and status = 'open'`

const MARK_BEGUN_IF_FREE = `update dead_letters set begun = begun + 1 where dead_letter_id in (
  select dead_letter_id from dead_letters where dead_letter_id = $1 and status = 'open' for update skip locked
) returning 1`

async function lockOpen(tx: Transaction, deadLetterId: string): Promise<DeadLetterRow> {
  const [row] = await tx.query<DeadLetterRow>(`select ${WHOLE} from dead_letters where dead_letter_id = $1 for update`, [
    deadLetterId
  ])
  if (!row) throw new Problem('not-found', 'There is no such dead letter')
  if (row.status !== 'open') throw new Problem('illegal-transition', `The dead letter is ${row.status} already`)
  return row
}

async function resolve(tx: Transaction, deadLetterId: string, status: DeadLetter['status'], actor: string, note: string | null) {
  const [row] = await tx.query<DeadLetterRow>(
    `update dead_letters set status = $2, resolved_by = $3, note = $4, attempts = attempts + ($2 = 'replayed')::integer, begun = 0,
       updated_at = now()
     where dead_letter_id = $1 returning ${WHOLE}`,
    [deadLetterId, status, actor, note]
  )
  return toDeadLetter(row!)
}
