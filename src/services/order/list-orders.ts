import type { orderApi } from '#contracts/http/order-api.ts'
import { page } from '#platform/http/cursor.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { type OrderRow, toOrder } from './order.ts'

type Operation = typeof orderApi.operations.listOrders

/** Oldest first: ids sort by the time they were made. */
export function listOrders({ database, cursors }: Reading, { query }: Input<Operation>): Promise<Output<Operation>> {
  return page(
    cursors,
    'listOrders',
    query,
    async (after, limit) => {
      const rows = await database.query<OrderRow>(
        `select * from orders
         where order_id > $1 and ($2::text is null or status = $2) and ($3::text is null or user_id = $3)
         order by order_id limit $4`,
        [after?.[0] ?? '', query.status ?? null, query.userId ?? null, limit]
      )
      return rows.map(toOrder)
    },
    order => [order.orderId]
  )
}
