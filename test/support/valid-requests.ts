/** For each operation a request that is valid, on resources of its own: what one operation is done to, no other meets. */
import { randomUUID } from 'node:crypto'
import type { Operation } from '#contracts/define.ts'
import { productApi } from '#contracts/http/product-api.ts'
import { allScopes } from '#contracts/scopes.ts'
import type { RunningService } from './service.ts'

/** A body is JSON unless it has a media type of its own. */
export type ValidRequest = {
  /** What must stand in the query: `currency=EUR`. */
  query?: string
  params?: Record<string, string>
  body?: unknown
  mediaType?: string
}

/** A product, and everything that there can be of it. */
async function openScene({ request, database }: RunningService) {
  const key = () => ({ 'idempotency-key': randomUUID() })
  const { body: product } = await request('POST', '/v1/products', {
    title: 'Thing',
    status: 'active',
    variants: ['A', 'B'].map(name => ({ sku: randomUUID(), options: { Name: name }, inventory: { onHand: 1_000_000 } }))
  })
  const [{ variantId }] = product.variants
  const items = [{ productId: product.productId, variantId, quantity: 1 }]
  const { body: reservation } = await request('POST', '/v1/reservations', { orderId: randomUUID(), items, ttlSeconds: 9000 }, key())
  const { body: category } = await request('POST', '/v1/categories', { name: 'Things', slug: randomUUID() })
  const { body: location } = await request('POST', '/v1/locations', { code: randomUUID(), name: 'Shed' })
  const file = { 'content-type': 'application/x-ndjson' }
  const { body: imported } = await request('POST', '/v1/imports', '{"title":"Thing"}\n', file)
  const { body: list } = await request('POST', '/v1/price-lists', { code: randomUUID(), name: 'Web', channel: 'web' })
  const listed = { prices: [{ variantId, currency: 'EUR', amount: '9', minQuantity: 5 }] }
  const { body: prices } = await request('PUT', `/v1/price-lists/${list.priceListId}/prices`, listed)
  const { body: apiKey } = await request('POST', '/v1/api-keys', { name: 'Partner', scopes: ['catalog:read'] })
  // Of an owner of its own each: of one there may not be many.
  const webhook = { url: 'https://93.184.216.34/hook', eventTypes: ['ProductCreated'] }
  const { body: endpoint } = await request('POST', '/v1/webhook-endpoints', webhook, { authorization: `Bearer ${randomUUID()}` })
  const { body: delivery } = await request('POST', `/v1/webhook-endpoints/${endpoint.webhookEndpointId}/ping`)
  const deadLetterId = randomUUID()
  await database.query(
    `insert into dead_letters (dead_letter_id, consumer, topic, key, reason, attempts, first_error, last_error, headers, body)
     values ($1, 'product.order-events', 'order.events', 'k', 'undecodable', 1, 'e', 'e', '{}', '{')`,
    [deadLetterId]
  )
  const params = {
    productId: product.productId as string,
    variantId: variantId as string,
    reservationId: reservation.reservationId as string,
    categoryId: category.categoryId as string,
    locationId: location.locationId as string,
    priceListId: list.priceListId as string,
    priceId: prices.data[0].priceId as string,
    importId: imported.importId as string,
    apiKeyId: apiKey.apiKeyId as string,
    secretId: apiKey.secrets[0].secretId as string,
    webhookEndpointId: endpoint.webhookEndpointId as string,
    webhookDeliveryId: delivery.webhookDeliveryId as string,
    deadLetterId
  }
  return { params, items }
}

type Scene = Awaited<ReturnType<typeof openScene>>

const prices = [
  { amount: '10.50', currency: 'EUR' },
  { amount: '1200', currency: 'JPY' }
]
const attributes = { material: 'mesh', weight: 1.5, vegan: true, tags: ['a', 'b'] }

const productBodies: Readonly<Record<string, (scene: Scene) => unknown>> = {
  createProduct: ({ params }) => ({
    title: 'Trail shoe',
    slug: 'trail-shoe',
    status: 'draft',
    description: 'Light',
    brand: 'Acme',
    externalId: 'erp-1',
    categoryIds: [params.categoryId],
    attributes,
    media: [{ url: 'https://example.com/a.jpg', alt: 'A shoe' }],
    options: [{ name: 'Size', values: ['41', '42'] }],
    variants: [
      {
        sku: 'SHOE-41',
        title: 'Size 41',
        options: { Size: '41' },
        barcode: '1',
        attributes,
        prices,
        inventory: { onHand: 1, lowStockThreshold: null, tracked: true }
      }
    ]
  }),
  updateProduct: ({ params }) => ({
    title: 'New',
    description: null,
    categoryIds: [params.categoryId],
    attributes: { material: null },
    media: [],
    options: []
  }),
  createVariant: () => ({ sku: 'SHOE-43', options: { Name: 'C' }, prices, attributes, inventory: { onHand: 3 } }),
  recordProductView: ({ params }) => ({ variantId: params.variantId, userId: 'u-1', sessionId: 's-1', channel: 'web' }),
  updateVariant: () => ({ title: 'New', barcode: null, options: { Name: 'D' }, attributes: { weight: 2 } }),
  setPrices: () => ({ prices }),
  createPriceList: () => ({
    code: randomUUID(),
    name: 'Trade',
    channel: null,
    customerGroup: 'trade',
    priority: 5,
    status: 'active'
  }),
  updatePriceList: () => ({ name: 'Trade only', customerGroup: 'trade', priority: 7, status: 'archived' }),
  setPriceListPrices: ({ params }) => ({
    prices: [
      {
        variantId: params.variantId,
        currency: 'EUR',
        amount: '9.5',
        minQuantity: 10,
        startsAt: '2030-01-01T00:00:00Z',
        endsAt: null
      },
      { variantId: params.variantId, currency: 'JPY', amount: '900' }
    ]
  }),
  createImport: () => '{"title":"Trail shoe"}\n{"title":""}\n',
  createCategory: ({ params }) => ({ name: 'Shoes', parentId: params.categoryId, description: 'For feet' }),
  updateCategory: () => ({ name: 'Boots', parentId: null }),
  createLocation: () => ({ code: 'B', name: 'Barn', priority: 1, active: true }),
  updateLocation: () => ({ name: 'Barn', priority: 2, active: true }),
  updateInventory: ({ params }) => ({ lowStockThreshold: 5, safetyStock: 1, locationId: params.locationId }),
  checkAvailability: ({ params }) => ({ variantIds: [params.variantId] }),
  createAdjustments: ({ params }) => ({
    items: [
      { variantId: params.variantId, delta: 2, reason: 'found', note: 'behind the shelf' },
      { variantId: params.variantId, locationId: params.locationId, onHand: 5, expectedOnHand: 0, reason: 'counted' }
    ]
  }),
  createReservation: ({ items }) => ({ orderId: 'o-1', userId: 'u-1', ttlSeconds: 900, items }),
  extendReservation: () => ({ ttlSeconds: 900 }),
  releaseReservation: () => ({ restock: false }),
  createWebhookEndpoint: ({ params }) => ({
    url: 'https://93.184.216.34/hook?tenant=1',
    description: 'Mirror',
    eventTypes: ['ProductCreated', 'ProductUpdated'],
    filter: { productId: [params.productId] },
    ordering: 'key',
    inFlightMax: 2,
    requestsPerSecond: 10
  }),
  updateWebhookEndpoint: () => ({
    url: 'https://93.184.216.34:8443/hook',
    description: null,
    eventTypes: ['*'],
    filter: null,
    ordering: 'none',
    inFlightMax: 5,
    requestsPerSecond: null,
    status: 'disabled'
  }),
  rotateWebhookSecret: () => ({ previousEndsAt: '2100-01-01T00:00:00Z' }),
  redeliverWebhooks: () => ({ from: '2020-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z', delivered: true, after: 0, dryRun: false }),
  discardDeadLetter: () => ({ note: 'known' }),
  replayDeadLetters: () => ({ consumer: 'product.order-events', key: 'k', receivedTo: '2030-01-01T00:00:00Z', limit: 10 }),
  discardDeadLetters: () => ({ reason: 'undecodable', key: 'k', note: 'known' }),
  createApiKey: () => ({
    name: 'Partner',
    scopes: ['catalog:read', 'inventory:read'],
    networks: ['203.0.113.0/24', '2001:db8::/32'],
    expiresAt: '2100-01-01T00:00:00Z'
  }),
  rotateApiKey: () => ({ previousEndsAt: '2100-01-01T00:00:00Z' }),
  introspectApiKey: ({ params }) => ({ apiKeyId: params.apiKeyId, digest: 'A'.repeat(43) })
}

/** What only an owner may do is asked for of what `owner` has. */
export async function validProductRequest(service: RunningService, operationId: string, owner = 'anybody'): Promise<ValidRequest> {
  const scene = await openScene(service)
  const operations: Record<string, Operation> = productApi.operations
  if (operations[operationId]?.problems?.includes('not-owner'))
    await service.database.query(
      'update webhook_endpoints set owner_subject = $2, owner_client_id = $2, owner_scopes = $3 where webhook_endpoint_id = $1',
      [scene.params.webhookEndpointId, owner, allScopes]
    )
  const body = productBodies[operationId]?.(scene)
  const mediaType = operationId === 'createImport' ? { mediaType: 'application/x-ndjson' } : {}
  const query = operationId === 'getEffectivePrices' ? { query: `variantId=${scene.params.variantId}&currency=EUR` } : {}
  return { params: scene.params, ...(body === undefined ? {} : { body }), ...mediaType, ...query }
}

const some = '01990000-0000-7000-8000-000000000000'

export async function validOrderRequest({ request }: RunningService, operationId: string): Promise<ValidRequest> {
  const order = { userId: 'u-1', items: [{ productId: some, variantId: some, quantity: 2 }] }
  const { body } = await request('POST', '/v1/orders', order)
  return { params: { orderId: body.orderId }, ...(operationId === 'createOrder' ? { body: order } : {}) }
}

export async function validUserRequest(_service: RunningService, operationId: string): Promise<ValidRequest> {
  const body = { name: 'Ada', roles: ['customer'], status: 'active' }
  return { params: { userId: 'u-1' }, ...(operationId === 'updateUser' ? { body } : {}) }
}

export async function validSearchRequest(_service: RunningService, operationId: string): Promise<ValidRequest> {
  const document = {
    productId: some,
    sequence: 1,
    title: 'Shoe',
    brand: 'Acme',
    slug: 'shoe',
    status: 'active',
    skus: ['S-1'],
    categoryIds: [some],
    prices
  }
  return operationId === 'indexProduct' ? { body: document } : {}
}
