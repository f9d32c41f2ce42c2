import type { Order } from '#contracts/resources/order.ts'

/** An order as its row has it. */
export type OrderRow = {
  order_id: string
  user_id: string
  status: Order['status']
  paid: boolean
  items: Order['items']
  reason: string | null
  version: number
  sequence: number
  created_at: string
  updated_at: string
}

export function toOrder(row: OrderRow): Order {
  return {
    orderId: row.order_id,
    userId: row.user_id,
    status: row.status,
    items: row.items,
    reason: row.reason,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at
  }
}
