import type { orderApi } from '#contracts/http/order-api.ts'
import { Problem } from '#contracts/problems.ts'
import type { Order } from '#contracts/resources/order.ts'
import type { Input, Reading } from '#platform/http/handlers.ts'
import { type OrderRow, toOrder } from './order.ts'

export async function getOrder({ database }: Reading, { params }: Input<typeof orderApi.operations.getOrder>): Promise<Order> {
  const [row] = await database.query<OrderRow>('select * from orders where order_id = $1', [params.orderId])
  if (!row) throw new Problem('not-found')
  return toOrder(row)
}
