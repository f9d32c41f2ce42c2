/** Everything the Product Service can be asked over HTTP. */
import { defineApi } from '../define.ts'
import { apiKeyOperations } from './product-api-keys.ts'
import { auditOperations } from './product-audit.ts'
import { catalogOperations } from './product-catalog.ts'
import { exportOperations } from './product-exports.ts'
import { feedOperations } from './product-feed.ts'
import { importOperations } from './product-imports.ts'
import { inventoryOperations } from './product-inventory.ts'
import { operationsOperations } from './product-operations.ts'
import { priceOperations } from './product-prices.ts'
import { webhookOperations } from './product-webhooks.ts'

export const productApi = defineApi({
  service: 'product',
  title: 'Product Service',
  version: '1.0.0',
  description: 'Catalog, prices, and inventory with reservations.',
  operations: {
    ...catalogOperations,
    ...priceOperations,
    ...importOperations,
    ...inventoryOperations,
    ...exportOperations,
    ...feedOperations,
    ...webhookOperations,
    ...operationsOperations,
    ...apiKeyOperations,
    ...auditOperations
  }
})
