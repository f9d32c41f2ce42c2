/** Changes to reservations that callers ask for, those that wait at the same moment in one transaction. */
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import { checkVersion, type Expected } from '#platform/http/etag.ts'
import type { Actor } from '#platform/identity/actor.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { ledgerActorOf } from './ledger.ts'
import { type StoredReservation, toReservation } from './reservation.ts'
import { lockOrders, readReservations } from './reservation-store.ts'
import { type Asked, movesUnits } from './settle.ts'
import { openHolds, settleReservations } from './settle-reservations.ts'

type Wish = { params: { reservationId: string }; expected: Expected; actor: Actor; traceparent: string | undefined }

/**
 * Puts `ask` to each reservation as it is when its turn comes, and settles what it says. One result per wish, in their order: the reservation
 * as it then is, or a problem: `not-found`, `precondition-failed`, or what `ask` and the stock say.
 */
export async function changeReservations<W extends Wish>(
  tx: Transaction,
  wishes: readonly W[],
  ask: (found: StoredReservation, wish: W) => Asked | Problem
): Promise<(Reservation | Problem)[]> {
  const ids = [...new Set(wishes.map(wish => wish.params.reservationId))]
  const found = await readReservations(tx, 'where reservation_id = any($1::uuid[])', [ids])
  if (found.length === 0) return wishes.map(unknown)
  const byId = new Map(found.map(reservation => [reservation.reservationId, reservation]))
  // What a reservation is of, and what it names once it is ordered, never changes: so its levels can be locked in the round trip that locks
  // its order. Orders come first, as everywhere.
  const moves = wishes.some(wish => {
    const reservation = byId.get(wish.params.reservationId)
    const asked = reservation && askedOf(reservation, wish, ask)
    return asked && !(asked instanceof Problem) && movesUnits(reservation, asked)
  })
  const [locked, opened] = await Promise.all([
    lockOrders(
      tx,
      found.map(reservation => reservation.orderId)
    ),
    moves ? openHolds(tx, found) : undefined
  ])
  const asked = wishes.filter(wish => byId.has(wish.params.reservationId))
  const changes = asked.map(wish => ({
    orderId: byId.get(wish.params.reservationId)!.orderId,
    actor: ledgerActorOf(wish.actor),
    traceparent: wish.traceparent,
    ask: (reservation: StoredReservation) => askedOf(reservation, wish, ask)
  }))
  const results = await settleReservations(tx, locked, changes, opened)
  const resultOf = new Map(asked.map((wish, index) => [wish, results[index]!]))
  return wishes.map(wish => {
    const result = resultOf.get(wish)
    if (!result) return unknown()
    return result instanceof Problem ? result : toReservation(result)
  })
}

const unknown = () => new Problem('not-found', 'There is no such reservation')

function askedOf<W extends Wish>(
  reservation: StoredReservation,
  wish: W,
  ask: (found: StoredReservation, wish: W) => Asked | Problem
): Asked | Problem {
  try {
    checkVersion(wish.expected, reservation.version)
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  return ask(reservation, wish)
}
