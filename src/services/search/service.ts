/**
 * The reference Search Service. It shows the listening half of a conversation: everything it knows comes from `product.events`, in any
 * order and any number of times, and it ends in the same state; `POST /search/index` hands it products beside that.
 * A real one adds an engine of its own, typing errors and synonyms, languages, and availability of variants whose stock is not counted.
 */
import { InventoryUpdated } from '#contracts/events/inventory-events.ts'
import {
  CategoryCreated,
  CategoryUpdated,
  ProductArchived,
  ProductCreated,
  ProductDeleted,
  ProductUpdated
} from '#contracts/events/product-events.ts'
import { searchApi } from '#contracts/http/search-api.ts'
import { read, write } from '#platform/http/handlers.ts'
import { on } from '#platform/messaging/consumer.ts'
import { defineService } from '#platform/service.ts'
import { followCategory } from './follow-category.ts'
import { followProduct, hideProduct, removeProduct } from './follow-product.ts'
import { followStock } from './follow-stock.ts'
import { indexProduct } from './index-product.ts'
import { searchProducts } from './search-products.ts'

export const searchService = defineService({
  name: 'search',
  migrations: new URL('./migrations/', import.meta.url),
  api: searchApi,
  handlers: {
    indexProduct: write(indexProduct),
    searchProducts: read(searchProducts)
  },
  consumers: {
    index: [
      on(ProductCreated, followProduct),
      on(ProductUpdated, followProduct),
      on(ProductArchived, hideProduct),
      on(ProductDeleted, removeProduct),
      on(CategoryCreated, followCategory),
      on(CategoryUpdated, followCategory),
      on(InventoryUpdated, followStock)
    ]
  },
  timers: []
})
