import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { Problem } from '#contracts/problems.ts'
import type { Reservation } from '#contracts/resources/reservation.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { toReservation } from './reservation.ts'
import { readReservations } from './reservation-store.ts'

export async function getReservation(
  { database }: Reading,
  { params }: Input<typeof inventoryOperations.getReservation>
): Promise<Reservation> {
  const [reservation] = await readReservations(database, 'where reservation_id = $1', [params.reservationId])
  if (!reservation) throw new Problem('not-found', 'There is no such reservation')
  return toReservation(reservation)
}
