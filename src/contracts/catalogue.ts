/** All contracts: what generators, documents and tests walk over. */

import { type Api, type EventContract, versionsOf } from './define.ts'
import { inventoryEvents } from './events/inventory-events.ts'
import { orderEvents } from './events/order-events.ts'
import { productEvents } from './events/product-events.ts'
import { userEvents } from './events/user-events.ts'
import { orderApi } from './http/order-api.ts'
import { productApi } from './http/product-api.ts'
import { searchApi } from './http/search-api.ts'
import { userApi } from './http/user-api.ts'

export const apis: readonly Api[] = [productApi, orderApi, userApi, searchApi]

const newest = [...productEvents, ...inventoryEvents, ...orderEvents, ...userEvents] as unknown as readonly EventContract[]

/** Every event in every version that is still read or sent, the newest first. */
export const events: readonly EventContract[] = newest.flatMap(versionsOf)
