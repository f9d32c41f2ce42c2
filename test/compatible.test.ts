import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis, events } from '#contracts/catalogue.ts'
import { apiIncompatibilities, incompatibilities } from '#contracts/compatible.ts'
import { eventSchema } from '#contracts/event-schema.ts'
import type { JsonObject } from '#contracts/json-schema.ts'
import { lifecycleFaults } from '#contracts/lifecycle.ts'
import { openApi } from '#contracts/openapi.ts'

// biome-ignore lint/suspicious/noExplicitAny: planted changes reach anywhere into a document.
type Document = any

/** A change planted in a copy of a document, and the message it must meet. */
type Planted = [name: string, plant: (document: Document) => void, message: RegExp]

/** With an enumeration that was promised to stay as it is. */
const productUpdated = changed(eventSchema(events.find(event => event.type === 'ProductUpdated')!), event => {
  event.properties.season = { type: 'string', enum: ['summer', 'winter'] }
})
const productApi = openApi(apis[0]!)

function changed(document: JsonObject, plant: (document: Document) => void): JsonObject {
  const copy = structuredClone(document)
  plant(copy)
  assert.notDeepEqual(copy, document, 'the change is one')
  return copy
}

const create = (document: Document) => document.paths['/v1/products'].post
const schemas = (document: Document) => document.components.schemas

test('every event and every API is compatible with itself', () => {
  for (const event of events) assert.deepEqual(incompatibilities(eventSchema(event), eventSchema(event)), [])
  for (const api of apis) assert.deepEqual(apiIncompatibilities(openApi(api), openApi(api)), [])
})

const allowedInEvents: [string, (event: Document) => void][] = [
  ['an optional property', event => (event.properties.colour = { type: 'string' })],
  ['an optional property deep inside', event => (event.$defs.Money.properties.taxIncluded = { type: 'boolean' })],
  ['a word in an open enumeration', event => event.properties.status.anyOf[0].enum.push('paused')],
  ['other words for people', event => (event.properties.title.description = 'What it is called')]
]
for (const [name, plant] of allowedInEvents) {
  test(`an event may gain ${name}`, () => {
    assert.deepEqual(incompatibilities(productUpdated, changed(productUpdated, plant)), [])
  })
}

test('an enumeration may gain words only if the event said that it is open', () => {
  const withReason = (reason: JsonObject) => changed(productUpdated, event => (event.properties.reason = reason))
  const open = (...words: string[]) => withReason({ anyOf: [{ type: 'string', enum: words }, { type: 'string' }] })
  const closed = (...words: string[]) => withReason({ type: 'string', enum: words })
  assert.deepEqual(incompatibilities(open('a'), open('a', 'b')), [])
  assert.match(incompatibilities(closed('a'), closed('a', 'b')).join(), /reason can be "b" now, which readers do not know/)
})

const refusedInEvents: Planted[] = [
  ['losing a property', event => delete event.properties.brand, /brand was string and is gone/],
  [
    'renaming a property',
    event => {
      event.properties.name = event.properties.title
      delete event.properties.title
    },
    /title was string and is gone/
  ],
  ['another type', event => (event.properties.title = { type: 'integer' }), /title is integer instead of string/],
  [
    'a null where none was',
    event => (event.properties.brand = { anyOf: [event.properties.brand, { type: 'null' }] }),
    /brand can be null now/
  ],
  ['a narrower property', event => (event.properties.title.maxLength = 100), /title has maxLength 100 instead of 200/],
  ['a wider property', event => (event.properties.title.maxLength = 300), /title has maxLength 300 instead of 200/],
  ['another pattern', event => (event.properties.slug.pattern = '^x'), /slug has another pattern/],
  ['a property that must be given', event => event.required.push('brand'), /brand is required now/],
  ['a new property that must be given', event => event.required.push('colour'), /colour is required now/],
  [
    'leaving out what was promised',
    event => (event.required = event.required.filter((name: string) => name !== 'title')),
    /title may be missing now/
  ],
  ['a word more', event => event.properties.season.enum.push('autumn'), /season can be "autumn" now, which readers do not know/],
  ['a word less', event => event.properties.season.enum.pop(), /season cannot be "winter" any more/],
  ['closing an object', event => (event.properties.options.items.additionalProperties = false), /options\[\]\.\* is refused now/],
  [
    'a change deep inside',
    event => (event.$defs.Money.properties.amount.type = 'number'),
    /variants\[\]\.prices\[\]\.amount is number/
  ]
]
for (const [name, plant, message] of refusedInEvents) {
  test(`${name} makes an event another version, and the message says which`, () => {
    const found = incompatibilities(productUpdated, changed(productUpdated, plant))
    assert.match(found.join('\n'), message)
    for (const each of found) assert.match(each, /^ProductUpdated\.v1: .*publish ProductUpdated\.v2 beside v1\.$/)
  })
}

test('an event that is gone is missed', () => {
  assert.match(incompatibilities(productUpdated, undefined).join(), /ProductUpdated\.v1 is gone/)
})

const allowedInApis: [string, (api: Document) => void][] = [
  ['an operation', api => (api.paths['/v1/brands'] = { get: { operationId: 'listBrands', responses: {} } })],
  ['an optional request property', api => (schemas(api).CreateProduct.properties.season = { type: 'string' })],
  ['a reply property', api => (schemas(api).Product.properties.season = { type: 'string' })],
  ['a wider request', api => (schemas(api).CreateProduct.properties.title.maxLength = 500)],
  ['a word in a request', api => schemas(api).CreateProduct.properties.status.enum.push('archived')],
  ['a request property that may be missing', api => (schemas(api).CreateProduct.required = [])],
  ['a reply property that is always there', api => schemas(api).Product.required.push('brand')],
  ['a word in a reply whose enumeration is open', api => schemas(api).Product.properties.status.enum.push('paused')],
  [
    'a currency',
    api => {
      schemas(api).Money.properties.currency.enum.push('XYZ')
      schemas(api).Money.allOf[1].if.properties.currency.enum.push('XYZ')
    }
  ],
  ['an error code', api => schemas(api).Problem.properties.code.anyOf[0].enum.push('new-code')],
  [
    'an optional parameter',
    api =>
      api.paths['/v1/products'].get.parameters.push({ name: 'colour', in: 'query', required: false, schema: { type: 'string' } })
  ]
]
for (const [name, plant] of allowedInApis) {
  test(`an API may gain ${name}`, () => {
    assert.deepEqual(apiIncompatibilities(productApi, changed(productApi, plant)), [])
  })
}

const parameter = (operation: Document, name: string) => operation.parameters.find((each: Document) => each.name === name)
const refusedInApis: Planted[] = [
  ['a removed operation', api => delete api.paths['/v1/products'].post, /createProduct \(POST \/v1\/products\) is gone/],
  ['a renamed operation', api => (create(api).operationId = 'addProduct'), /is called addProduct now/],
  ['another scope', api => (create(api)['x-required-scope'] = 'prices:write'), /needs scope prices:write instead of catalog:write/],
  [
    'a removed reply property',
    api => delete schemas(api).Product.properties.brand,
    /getProduct .*reply 200 brand was string and is gone/
  ],
  [
    'a reply property that may be missing',
    api => (schemas(api).Variant.required = schemas(api).Variant.required.filter((name: string) => name !== 'sku')),
    /getProduct .*reply 200 variants\[\]\.sku may be missing now/
  ],
  [
    'a new word in a reply',
    api => schemas(api).DeadLetter.properties.bodyEncoding.enum.push('hex'),
    /reply 200 .*bodyEncoding can be "hex" now/
  ],
  [
    'words to come in a reply',
    api => (schemas(api).DeadLetter.properties.bodyEncoding['x-extensible'] = true),
    /reply 200 .*bodyEncoding may be words now that readers do not know/
  ],
  ['a currency less', api => schemas(api).Money.properties.currency.enum.shift(), /body .*currency cannot be "AED" any more/],
  [
    'a currency with other decimals',
    api => {
      const [none, two] = schemas(api).Money.allOf.map((part: Document) => part.if.properties.currency.enum)
      none.push(two.pop())
    },
    /prices\[\] has another if/
  ],
  [
    'a null in a reply',
    api => (schemas(api).Product.properties.brand = { type: ['string', 'null'], maxLength: 200 }),
    /brand can be null now/
  ],
  [
    'a request property that must be given',
    api => {
      schemas(api).CreateProduct.properties.season = { type: 'string' }
      schemas(api).CreateProduct.required.push('season')
    },
    /createProduct .*body season is required now/
  ],
  [
    'an optional nullable becoming required',
    api => (schemas(api).UpdateProduct.required = ['brand']),
    /updateProduct .*body brand is required now/
  ],
  ['a removed request property', api => delete schemas(api).CreateProduct.properties.media, /body media was array and is gone/],
  [
    'a narrower request',
    api => (schemas(api).CreateProduct.properties.title.maxLength = 10),
    /body title has maxLength 10 instead of 200/
  ],
  [
    'a word less in a request',
    api => schemas(api).CreateProduct.properties.status.enum.pop(),
    /body status cannot be "active" any more/
  ],
  ['a removed parameter', api => api.paths['/v1/products'].get.parameters.shift(), /listProducts .*query parameter limit is gone/],
  [
    'a parameter that must be given',
    api => (parameter(api.paths['/v1/products'].get, 'sku').required = true),
    /query parameter sku is required now/
  ],
  [
    'a narrower parameter',
    api => (parameter(api.paths['/v1/products'].get, 'limit').schema.maximum = 50),
    /query parameter limit has maximum 50 instead of 100/
  ],
  [
    'a required Idempotency-Key',
    api => (api.components.parameters.IdempotencyKey.required = true),
    /createProduct .*header parameter Idempotency-Key is required now/
  ],
  [
    'a media type less',
    api => delete api.paths['/v1/products/{productId}'].patch.requestBody.content['application/merge-patch+json'],
    /body is not application\/merge-patch\+json any more/
  ],
  ['another success status', api => (create(api).responses = { '200': create(api).responses['201'] }), /reply 201 is gone/],
  ['a lost ETag', api => delete create(api).responses['201'].headers.ETag, /reply 201 has no ETag any more/]
]
for (const [name, plant, message] of refusedInApis) {
  test(`${name} breaks an API, and the message says what to do`, () => {
    const found = apiIncompatibilities(productApi, changed(productApi, plant))
    assert.match(found.join('\n'), message)
    for (const each of found) assert.match(each, /(Leave it as it was and add a new operation beside it|Keep it, deprecated .*)\.$/)
  })
}

test('an operation may be deprecated, and end later than was promised, but not earlier', () => {
  const ending = (sunset?: string) =>
    changed(productApi, api => Object.assign(create(api), { deprecated: true, 'x-sunset': sunset ?? null }))
  assert.deepEqual(apiIncompatibilities(productApi, ending('2027-06-30')), [])
  assert.deepEqual(apiIncompatibilities(ending('2027-06-30'), ending('2027-09-30')), [])
  assert.deepEqual(apiIncompatibilities(ending('2027-06-30'), productApi), [])
  const found = apiIncompatibilities(ending('2027-06-30'), ending('2027-06-29'))
  assert.match(found.join('\n'), /^createProduct .*ends on 2027-06-29, before the 2027-06-30 that was promised/)
})

test('every deprecation in the catalogue tells callers what they can act on', () => {
  assert.deepEqual(apis.flatMap(lifecycleFaults), [])
})
