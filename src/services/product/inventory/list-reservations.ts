import type { inventoryOperations } from '#contracts/http/product-inventory.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { toReservation } from './reservation.ts'
import { readReservations } from './reservation-store.ts'

type Operation = typeof inventoryOperations.listReservations

export async function listReservations({ database, cursors }: Reading, { query }: Input<Operation>): Promise<Output<Operation>> {
  return page(
    cursors,
    'listReservations',
    query,
    async (after, limit) => {
      const reservations = await readReservations(
        database,
        'where ($1::text is null or order_id = $1) and ($2::uuid is null or reservation_id > $2) order by reservation_id limit $3',
        [query.orderId ?? null, after?.[0] ?? null, limit]
      )
      return reservations.map(toReservation)
    },
    reservation => [reservation.reservationId]
  )
}
