/** The Product Service: everything that it does, and what sets it off. */
import { OrderCancelled, OrderCompleted, OrderConfirmed, OrderCreated } from '#contracts/events/order-events.ts'
import { productApi } from '#contracts/http/product-api.ts'
import { batch, document, download, feed, listing, read, upload, write } from '#platform/http/handlers.ts'
import { on } from '#platform/messaging/consumer.ts'
import { defineService } from '#platform/service.ts'
import { every } from '#platform/timers.ts'
import { createApiKey } from './api-keys/create-api-key.ts'
import { deleteApiKey } from './api-keys/delete-api-key.ts'
import { deleteApiKeySecret } from './api-keys/delete-api-key-secret.ts'
import { getApiKey } from './api-keys/get-api-key.ts'
import { introspectApiKey, lookUpApiKey } from './api-keys/introspect-api-key.ts'
import { listApiKeys } from './api-keys/list-api-keys.ts'
import { rotateApiKey } from './api-keys/rotate-api-key.ts'
import { exportAuditRecords } from './audit/export-audit-records.ts'
import { exportAuditRecordsAsCsv } from './audit/export-audit-records-as-csv.ts'
import { listAuditRecords } from './audit/list-audit-records.ts'
import { archiveProduct } from './catalog/archive-product.ts'
import { createCategory } from './catalog/create-category.ts'
import { createProduct } from './catalog/create-product.ts'
import { createVariant } from './catalog/create-variant.ts'
import { deleteCategory } from './catalog/delete-category.ts'
import { deleteProduct } from './catalog/delete-product.ts'
import { deleteVariant } from './catalog/delete-variant.ts'
import { getCategory } from './catalog/get-category.ts'
import { getVariant } from './catalog/get-variant.ts'
import { listCategories } from './catalog/list-categories.ts'
import { listProducts } from './catalog/list-products.ts'
import { loadProducts } from './catalog/load-products.ts'
import { recordProductView } from './catalog/record-product-view.ts'
import { updateCategory } from './catalog/update-category.ts'
import { updateProduct } from './catalog/update-product.ts'
import { updateVariant } from './catalog/update-variant.ts'
import { listEvents } from './events/list-events.ts'
import { exportProducts } from './exports/export-products.ts'
import { exportProductsAsCsv } from './exports/export-products-as-csv.ts'
import { cancelImport } from './imports/cancel-import.ts'
import { createImport } from './imports/create-import.ts'
import { getImport } from './imports/get-import.ts'
import { getImportErrors } from './imports/get-import-errors.ts'
import { listImports } from './imports/list-imports.ts'
import { runImports } from './imports/run-imports.ts'
import { sweepImports } from './imports/sweep-imports.ts'
import { checkAvailability } from './inventory/check-availability.ts'
import { commitReservation } from './inventory/commit-reservation.ts'
import { confirmReservation } from './inventory/confirm-reservation.ts'
import { createAdjustments } from './inventory/create-adjustments.ts'
import { createLocation } from './inventory/create-location.ts'
import { createReservation } from './inventory/create-reservation.ts'
import { expireReservations } from './inventory/expire-reservations.ts'
import { extendReservation } from './inventory/extend-reservation.ts'
import { getInventory } from './inventory/get-inventory.ts'
import { getLocation } from './inventory/get-location.ts'
import { getReconciliation } from './inventory/get-reconciliation.ts'
import { getReservation } from './inventory/get-reservation.ts'
import { listLedger } from './inventory/list-ledger.ts'
import { listLocations } from './inventory/list-locations.ts'
import { listReservations } from './inventory/list-reservations.ts'
import { commitForOrder, confirmForOrder, releaseForOrder, reserveForOrder } from './inventory/react-to-orders.ts'
import { releaseReservation } from './inventory/release-reservation.ts'
import { updateInventory } from './inventory/update-inventory.ts'
import { updateLocation } from './inventory/update-location.ts'
import { discardDeadLetter } from './operations/discard-dead-letter.ts'
import { discardDeadLetters } from './operations/discard-dead-letters.ts'
import { getDeadLetter } from './operations/get-dead-letter.ts'
import { listDeadLetters } from './operations/list-dead-letters.ts'
import { listIntegrations } from './operations/list-integrations.ts'
import { replayDeadLetter } from './operations/replay-dead-letter.ts'
import { replayDeadLetters } from './operations/replay-dead-letters.ts'
import { applyPriceSchedules } from './pricing/apply-price-schedules.ts'
import { createPriceList } from './pricing/create-price-list.ts'
import { deletePriceList } from './pricing/delete-price-list.ts'
import { deletePriceListPrice } from './pricing/delete-price-list-price.ts'
import { getEffectivePrices } from './pricing/get-effective-prices.ts'
import { getPriceList } from './pricing/get-price-list.ts'
import { getPrices } from './pricing/get-prices.ts'
import { listPriceHistory } from './pricing/list-price-history.ts'
import { listPriceListPrices } from './pricing/list-price-list-prices.ts'
import { listPriceLists } from './pricing/list-price-lists.ts'
import { setPriceListPrices } from './pricing/set-price-list-prices.ts'
import { setPrices } from './pricing/set-prices.ts'
import { updatePriceList } from './pricing/update-price-list.ts'
import { createWebhookEndpoint } from './webhooks/create-webhook-endpoint.ts'
import { deleteWebhookEndpoint } from './webhooks/delete-webhook-endpoint.ts'
import { getWebhookDelivery } from './webhooks/get-webhook-delivery.ts'
import { getWebhookEndpoint } from './webhooks/get-webhook-endpoint.ts'
import { listWebhookDeliveries } from './webhooks/list-webhook-deliveries.ts'
import { listWebhookEndpoints } from './webhooks/list-webhook-endpoints.ts'
import { pingWebhookEndpoint } from './webhooks/ping-webhook-endpoint.ts'
import { redeliverWebhookDelivery } from './webhooks/redeliver-webhook-delivery.ts'
import { redeliverWebhooks } from './webhooks/redeliver-webhooks.ts'
import { rotateWebhookSecret } from './webhooks/rotate-webhook-secret.ts'
import { startWebhooks } from './webhooks/start-webhooks.ts'
import { sweepWebhooks } from './webhooks/sweep-webhooks.ts'
import { updateWebhookEndpoint } from './webhooks/update-webhook-endpoint.ts'
import { watchWebhooks } from './webhooks/watch-webhooks.ts'

export const productService = defineService({
  name: 'product',
  api: productApi,
  migrations: new URL('./migrations/', import.meta.url),
  apiKeys: lookUpApiKey,

  handlers: {
    listProducts: listing(listProducts),
    createProduct: write(createProduct),
    getProduct: document(loadProducts),
    updateProduct: write(updateProduct),
    deleteProduct: write(deleteProduct),
    archiveProduct: write(archiveProduct),
    recordProductView: write(recordProductView),
    createVariant: write(createVariant),
    getVariant: read(getVariant),
    updateVariant: write(updateVariant),
    deleteVariant: write(deleteVariant),
    getPrices: read(getPrices),
    setPrices: write(setPrices),
    listPriceHistory: read(listPriceHistory),
    getEffectivePrices: read(getEffectivePrices),
    listPriceLists: read(listPriceLists),
    createPriceList: write(createPriceList),
    getPriceList: read(getPriceList),
    updatePriceList: write(updatePriceList),
    deletePriceList: write(deletePriceList),
    listPriceListPrices: read(listPriceListPrices),
    setPriceListPrices: write(setPriceListPrices),
    deletePriceListPrice: write(deletePriceListPrice),
    listCategories: read(listCategories),
    createCategory: write(createCategory),
    getCategory: read(getCategory),
    updateCategory: write(updateCategory),
    deleteCategory: write(deleteCategory),

    listImports: read(listImports),
    createImport: upload(createImport),
    getImport: read(getImport),
    cancelImport: write(cancelImport),
    getImportErrors: download(getImportErrors),

    listLocations: read(listLocations),
    createLocation: write(createLocation),
    getLocation: read(getLocation),
    updateLocation: write(updateLocation),
    getInventory: read(getInventory),
    updateInventory: write(updateInventory),
    checkAvailability: read(checkAvailability),
    createAdjustments: write(createAdjustments),
    listLedger: read(listLedger),
    getReconciliation: read(getReconciliation),

    listReservations: read(listReservations),
    createReservation: batch(createReservation),
    getReservation: read(getReservation),
    confirmReservation: batch(confirmReservation),
    extendReservation: batch(extendReservation),
    commitReservation: batch(commitReservation),
    releaseReservation: batch(releaseReservation),

    exportProducts: download(exportProducts),
    exportProductsAsCsv: download(exportProductsAsCsv),

    listEvents: feed(listEvents),

    listWebhookEndpoints: read(listWebhookEndpoints),
    createWebhookEndpoint: write(createWebhookEndpoint),
    getWebhookEndpoint: read(getWebhookEndpoint),
    updateWebhookEndpoint: write(updateWebhookEndpoint),
    deleteWebhookEndpoint: write(deleteWebhookEndpoint),
    pingWebhookEndpoint: write(pingWebhookEndpoint),
    rotateWebhookSecret: write(rotateWebhookSecret),
    redeliverWebhooks: write(redeliverWebhooks),
    listWebhookDeliveries: read(listWebhookDeliveries),
    getWebhookDelivery: read(getWebhookDelivery),
    redeliverWebhookDelivery: write(redeliverWebhookDelivery),

    listDeadLetters: read(listDeadLetters),
    replayDeadLetters: read(replayDeadLetters),
    discardDeadLetters: write(discardDeadLetters),
    getDeadLetter: read(getDeadLetter),
    replayDeadLetter: read(replayDeadLetter),
    discardDeadLetter: write(discardDeadLetter),
    listIntegrations: read(listIntegrations),

    listApiKeys: read(listApiKeys),
    createApiKey: write(createApiKey),
    getApiKey: read(getApiKey),
    rotateApiKey: write(rotateApiKey),
    deleteApiKeySecret: write(deleteApiKeySecret),
    deleteApiKey: write(deleteApiKey),
    introspectApiKey: read(introspectApiKey),

    listAuditRecords: read(listAuditRecords),
    exportAuditRecords: download(exportAuditRecords),
    exportAuditRecordsAsCsv: download(exportAuditRecordsAsCsv)
  },

  consumers: config => ({
    'order-events': [
      on(OrderCreated, reserveForOrder(config.EVENT_RESERVATION_TTL_SECONDS ?? null)),
      on(OrderConfirmed, confirmForOrder),
      on(OrderCancelled, releaseForOrder),
      on(OrderCompleted, commitForOrder)
    ]
  }),

  timers: [
    every('expireReservations', config => config.EXPIRY_INTERVAL_MS, expireReservations),
    every('applyPriceSchedules', config => config.PRICE_SCHEDULE_INTERVAL_MS, applyPriceSchedules),
    every('runImports', () => 100, runImports),
    every('sweepImports', () => 60_000, sweepImports),
    every('sweepWebhooks', () => 60_000, sweepWebhooks)
  ],

  webhooks: startWebhooks,
  watch: watchWebhooks
})
