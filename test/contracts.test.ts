import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { Parser } from '@asyncapi/parser'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { Type } from 'typebox'
import { asyncApi } from '#contracts/asyncapi.ts'
import { apis, events } from '#contracts/catalogue.ts'
import type { Operation } from '#contracts/define.ts'
import { acceptedEvent, publishedEvent, routingKey } from '#contracts/envelope.ts'
import { eventName, eventSchema } from '#contracts/event-schema.ts'
import { differences, write } from '#contracts/generate.ts'
import type { Json, JsonObject } from '#contracts/json-schema.ts'
import { mergedOpenApi, openApi } from '#contracts/openapi.ts'
import { problemsOf } from '#contracts/openapi-problems.ts'
import { problems } from '#contracts/problems.ts'
import { apiKeyScopes, scopes } from '#contracts/scopes.ts'
import { openApiShape } from './support/openapi-shape.ts'

const root = join(import.meta.dirname, '..')
const operations: [string, Operation][] = apis.flatMap(api => Object.entries(api.operations))
const documents: [string, JsonObject][] = [
  ...apis.map(api => [api.service, openApi(api)] as [string, JsonObject]),
  ['gateway', mergedOpenApi(apis)]
]

function validator(): Ajv2020 {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true, keywords: ['x-extensible'] })
  addFormats.default(ajv)
  return ajv
}

/** A validator that knows the component schemas of an OpenAPI document, and how to give it a schema that refers to them. */
function componentsOf(document: JsonObject) {
  const schemaOf = (schema: Json) => JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', '"components#/$defs/'))
  const ajv = validator()
  ajv.addSchema({ $id: 'components', $defs: schemaOf(at(document, '#/components/schemas')!) })
  return { ajv, schemaOf }
}

function eventNamed(name: string) {
  const found = events.find(event => event.type === name)
  assert.ok(found, `${name} is in the catalogue`)
  return found
}

/** Every object in a document with the path that leads to it. */
function* objectsIn(json: Json, path = '#'): Generator<[string, JsonObject]> {
  if (json === null || typeof json !== 'object') return
  if (!Array.isArray(json)) yield [path, json]
  for (const [name, member] of Object.entries(json)) yield* objectsIn(member, `${path}/${name}`)
}

function at(document: JsonObject, pointer: string): Json | undefined {
  const steps = pointer.slice(2).split('/')
  return steps.reduce<Json | undefined>((node, step) => (node as JsonObject | undefined)?.[step.replaceAll('~1', '/')], document)
}

test('the committed documents are what the contracts say', () => {
  assert.deepEqual(differences(root), [], 'run `npm run contracts`')
})

test('a document that differs, is missing or is left over is named, and written right', () => {
  const folder = mkdtempSync(join(tmpdir(), 'contracts-'))
  try {
    assert.equal(write(folder).length, differences(join(folder, 'nowhere')).length)
    assert.deepEqual(differences(folder), [])
    writeFileSync(join(folder, 'contracts/asyncapi.json'), '{}')
    writeFileSync(join(folder, 'contracts/events/forgotten.v1.json'), '{}')
    rmSync(join(folder, 'docs/reference/errors.md'))
    const wrong = ['contracts/asyncapi.json', 'contracts/events/forgotten.v1.json', 'docs/reference/errors.md']
    assert.deepEqual(differences(folder), wrong)
    assert.deepEqual(write(folder), wrong)
    assert.deepEqual(differences(folder), [])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

for (const [service, document] of documents) {
  test(`the OpenAPI document of ${service} has the shape of OpenAPI 3.1, and every reference in it leads somewhere`, () => {
    const ajv = validator()
    assert.ok(ajv.validate(openApiShape, document), ajv.errorsText(ajv.errors?.slice(0, 5), { separator: '\n' }))
    for (const [path, { $ref }] of objectsIn(document)) {
      if (typeof $ref === 'string') assert.notEqual(at(document, $ref), undefined, `${path}: ${$ref}`)
    }
  })

  test(`every schema in the OpenAPI document of ${service} compiles`, () => {
    const { ajv, schemaOf } = componentsOf(document)
    const schemas = [...objectsIn(document)].filter(([path]) => /\/schema$|^#\/components\/schemas\/\w+$/.test(path))
    assert.ok(schemas.length > 20)
    for (const [path, schema] of schemas) assert.doesNotThrow(() => ajv.compile(schemaOf(schema)), path)
  })

  test(`the path parameters in the OpenAPI document of ${service} are those in the paths`, () => {
    for (const [path, item] of Object.entries(document.paths as Record<string, JsonObject>)) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1])
      for (const operation of Object.values(item) as JsonObject[]) {
        const declared = ((operation.parameters ?? []) as JsonObject[]).filter(parameter => parameter.in === 'path')
        assert.deepEqual(
          declared.map(parameter => parameter.name),
          inPath,
          path
        )
      }
    }
  })
}

test('an operation name means one operation, whatever the service', () => {
  const names = operations.map(([name]) => name)
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    []
  )
})

test('the merged document has every operation, and refuses two schemas of one name', () => {
  const merged = mergedOpenApi(apis)
  const ids = [...objectsIn(merged)].map(([, node]) => node.operationId).filter(Boolean)
  for (const [name] of operations) assert.ok(ids.includes(name), name)
  const [first, second] = ['a', 'b'].map(service => ({
    service,
    title: service,
    version: '1.0.0',
    description: service,
    operations: {
      [`get${service}`]: {
        method: 'GET' as const,
        path: `/v1/${service}`,
        tag: 'Things',
        summary: 'Get it',
        scope: null,
        reply: { status: 200 as const, description: 'It', body: Type.Object({ [service]: Type.String() }, { title: 'Thing' }) }
      }
    }
  }))
  assert.throws(() => mergedOpenApi([first!, second!]), /two different schemas are called Thing/)
  assert.doesNotThrow(() => mergedOpenApi([first!]))
})

test('every scope that an operation needs is declared, and every declared scope is needed', () => {
  assert.deepEqual(new Set(operations.map(([, { scope }]) => scope).filter(scope => scope !== null)), new Set(Object.keys(scopes)))
  for (const [service, document] of documents) {
    for (const [path, node] of objectsIn(document.paths!)) {
      if (!('operationId' in node)) continue
      const scope = node['x-required-scope']
      const byKey = apiKeyScopes.includes(scope as never) ? [{ apiKey: [] }] : []
      assert.deepEqual(node.security, scope === null ? [] : [{ bearer: [] }, { oauth2: [scope] }, ...byKey], `${service} ${path}`)
    }
  }
})

test('what is created and can be read has a location, made of what the reply always has', () => {
  const reads = operations.filter(([, { method }]) => method === 'GET')
  for (const [name, { reply, location, shownOnce }] of operations.filter(([, operation]) => operation.reply.status === 201)) {
    // What is shown once is not read again: the rest of it is.
    const others = ({ body }: Operation['reply']) =>
      Object.keys((body as { properties?: object } | undefined)?.properties ?? {}).filter(
        property => !shownOnce?.includes(property)
      )
    const isReadBy = (read: Operation) =>
      shownOnce ? isDeepStrictEqual(others(read.reply), others(reply)) : read.reply.body === reply.body
    const readable = reads.some(([, read]) => isReadBy(read))
    assert.equal(location !== undefined, readable, name)
    if (!location) continue
    const read = reads.find(([, { path }]) => path === location)
    assert.ok(read && isReadBy(read[1]), `${name}: ${location} reads what was created`)
    const always = (reply.body as { required?: string[] }).required
    for (const [, property] of location.matchAll(/\{(\w+)\}/g)) assert.ok(always?.includes(property!), `${name}: ${property}`)
  }
})

test('the documents say what may be refused, and where keys and versions are taken', () => {
  const document = openApi(apis[0]!)
  const operation = (name: string) => [...objectsIn(document.paths!)].find(([, node]) => node.operationId === name)![1]
  const refused = (name: string) => Object.keys(operation(name).responses as JsonObject).filter(status => status >= '4')
  assert.deepEqual(refused('getProduct'), ['400', '401', '403', '404', '406', '408', '414', '429', '431', '500', '503'])
  for (const status of ['409', '412', '413', '415', '422']) assert.ok(refused('updateProduct').includes(status), status)
  assert.ok(!refused('createProduct').includes('412'), 'nothing is there yet whose version could differ')
  const headers = (name: string) =>
    ((operation(name).parameters ?? []) as JsonObject[]).flatMap(
      parameter => (parameter.$ref as string | undefined)?.split('/').at(-1) ?? []
    )
  assert.deepEqual(headers('updateProduct'), ['IdempotencyKey', 'IfMatch'])
  assert.deepEqual(headers('getProduct'), ['IfNoneMatch'])
  assert.deepEqual(headers('createReservation'), ['RequiredIdempotencyKey'])
  const body = operation('updateProduct').requestBody as { content: JsonObject }
  assert.deepEqual(Object.keys(body.content), ['application/merge-patch+json', 'application/json'])
  const bodyRequired = (name: string) => (operation(name).requestBody as JsonObject).required
  assert.ok(bodyRequired('createReservation'))
  assert.ok(!bodyRequired('releaseReservation'), 'nothing in it is required, so it may be left out')
  const created = (operation('createProduct').responses as Record<string, JsonObject>)['201']
  assert.deepEqual(Object.keys(created!.headers as JsonObject).sort(), [
    'ETag',
    'Idempotency-Replayed',
    'Location',
    'RateLimit',
    'RateLimit-Policy',
    'X-Request-Id'
  ])
})

test('a problem of today and one of tomorrow match the Problem schema', () => {
  const { ajv, schemaOf } = componentsOf(openApi(apis[0]!))
  const isProblem = ajv.compile(schemaOf({ $ref: '#/components/schemas/Problem' }))
  const problem = { type: '/problems/not-found', title: 'There is no such thing', status: 404, code: 'not-found', traceId: 't' }
  assert.ok(isProblem(problem))
  assert.ok(isProblem({ ...problem, code: 'not-yet-invented', somethingNew: true }))
  assert.ok(!isProblem({ ...problem, status: '404' }))
})

test('every declared refusal is one that its status rules allow', () => {
  for (const [name, operation] of operations) {
    const own = (operation.problems ?? []).filter(code => ![400, 403, 409, 410, 429].includes(problems[code].status))
    assert.deepEqual(own, [], `${name}: beyond the common ones there are only 400, 403, 409, 410 and 429`)
    assert.ok(problemsOf(operation).length > own.length)
  }
})

test('the AsyncAPI document is valid, with every event on its topic', async () => {
  const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncApi()))
  assert.deepEqual(diagnostics, [])
  assert.ok(document)
  const found = document
    .channels()
    .all()
    .flatMap(channel =>
      channel
        .messages()
        .all()
        .map(message => `${channel.address()} ${message.title()}`)
    )
  assert.deepEqual(found.sort(), events.map(event => `${event.topic} ${eventName(event)}`).sort())
  const sent = document.operations().filterBySend().length
  assert.equal(sent, events.filter(event => event.topic === 'product.events').length)
  assert.equal(document.operations().filterByReceive().length, events.length - sent)
})

test('the AsyncAPI document says how each event travels: exchange, routing key and key, and its headers with either broker', async () => {
  const { document } = await new Parser().parse(JSON.stringify(asyncApi()))
  const told = document!
    .operations()
    .all()
    .map(operation => {
      const [channel, message] = [operation.channels().all()[0]!, operation.messages().all()[0]!]
      const { exchange } = channel.bindings().get('amqp')!.value()
      const names = Object.keys(message.headers()!.properties()!)
      for (const prefix of ['ce_', 'cloudEvents_'])
        for (const name of ['specversion', 'id', 'source', 'type', 'time', 'sequence', 'dataschema', 'signature', 'traceparent'])
          assert.ok(names.includes(prefix + name), `${message.title()} ${prefix}${name}`)
      assert.ok(names.includes('content-type'))
      assert.ok(message.bindings().get('kafka')!.value().key)
      return [message.title(), exchange.name, exchange.type, operation.bindings().get('amqp')!.value().cc]
    })
  assert.deepEqual(
    told,
    events.map(event => {
      const key = event.topic === 'product.events' ? routingKey(event) : '#'
      return [eventName(event), event.topic, 'topic', [key]]
    })
  )
})

for (const event of events) {
  test(`${eventName(event)}: its schema compiles, and its key and subject are made of what it always has`, () => {
    assert.ok(validator().compile(eventSchema(event)))
    const always = event.data.required as string[]
    const placeholders = [...event.subject.matchAll(/\{(\w+)\}/g)].map(match => match[1]!)
    assert.ok(placeholders.length > 0)
    for (const property of [event.key, ...placeholders]) assert.ok(always.includes(property), property)
  })
}

test("the specification's OrderCreated is accepted, by the code and by the published schema", () => {
  const example = {
    eventType: 'OrderCreated',
    orderId: 'string',
    userId: 'string',
    items: [{ productId: 'string', variantId: 'string', quantity: 2 }],
    timestamp: '2026-11-22T10:00:00Z'
  }
  for (const schema of [acceptedEvent(eventNamed('OrderCreated')), eventSchema(eventNamed('OrderCreated'))]) {
    const accepts = validator().compile(schema)
    assert.ok(accepts(example), JSON.stringify(accepts.errors))
    assert.ok(!accepts({ ...example, items: [] }))
  }
})

test("our InventoryLowStock has all that the specification's has", () => {
  const { required } = publishedEvent(eventNamed('InventoryLowStock')) as { required: string[] }
  for (const property of ['eventType', 'productId', 'variantId', 'availableQuantity', 'threshold', 'timestamp']) {
    assert.ok(required.includes(property), property)
  }
})

test('a published event stays valid when properties are added to it, at any depth', () => {
  const isPriced = validator().compile(eventSchema(eventNamed('VariantDeleted')))
  const id = '01900000-0000-7000-8000-000000000001'
  const event = {
    ...{ eventId: id, eventType: 'VariantDeleted', eventVersion: 1, source: '/product-service', sequence: 1 },
    ...{ timestamp: '2026-11-22T10:00:00.000Z', productId: id, variantId: id, sku: 'SHOE-41' }
  }
  assert.ok(isPriced(event))
  assert.ok(isPriced({ ...event, tomorrow: { more: true } }))
  for (const other of events) assert.doesNotMatch(JSON.stringify(closedObjects(eventSchema(other))), /additionalProperties/)
})

function closedObjects(schema: JsonObject): JsonObject[] {
  return [...objectsIn(schema)]
    .map(([, node]) => node)
    .filter(node => node.additionalProperties === false && !node.patternProperties)
}

test('what the schema library keeps for itself is in no document', () => {
  for (const path of ['contracts/openapi/gateway.v1.json', 'contracts/asyncapi.json', 'contracts/events/product-created.v1.json']) {
    assert.doesNotMatch(readFileSync(join(root, path), 'utf8'), /"~/)
  }
})
