import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { apis, events } from '#contracts/catalogue.ts'
import { eventFile } from '#contracts/event-schema.ts'
import { brokenPromises, goldenFile, release } from '#contracts/release.ts'
import { decode, knownEvents } from '#platform/messaging/decode.ts'

const root = join(import.meta.dirname, '..')
const golden = 'test/golden/events'
const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'))

// biome-ignore lint/suspicious/noExplicitAny: planted promises reach anywhere into a document.
type Document = any

/** A repository of nothing but a release of the present contracts, in which promises are planted that they do not keep. */
async function inRelease(check: (folder: string, promise: (path: string, plant: (document: Document) => void) => void) => void) {
  const folder = mkdtempSync(join(tmpdir(), 'release-'))
  try {
    cpSync(join(root, golden), join(folder, golden), { recursive: true })
    release(folder, '1.0.0')
    check(folder, (path, plant) => {
      const file = join(folder, 'contracts/released', path)
      const document = JSON.parse(readFileSync(file, 'utf8'))
      plant(document)
      writeFileSync(file, JSON.stringify(document))
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('the contracts keep what the last release promised', () => {
  assert.match(read('contracts/released/release.json').release, /^\d+\.\d+\.\d+$/)
  assert.deepEqual(brokenPromises(root), [])
})

test('a release promises every event and every API as they are, and keeps what it promised itself', () =>
  inRelease(folder => {
    const promised = (kind: string) => readdirSync(join(folder, 'contracts/released', kind)).sort()
    assert.deepEqual(promised('events'), events.map(eventFile).sort())
    assert.deepEqual(promised('openapi'), apis.map(({ service }) => `${service}.v1.json`).sort())
    assert.deepEqual(brokenPromises(folder), [])
    assert.doesNotThrow(() => release(folder, '1.0.1'))
  }))

const broken: [what: string, path: string, plant: (document: Document) => void, message: RegExp][] = [
  [
    'a property of an event that is gone',
    'events/order-created.v1.json',
    event => (event.properties.shipBy = { type: 'string' }),
    /^OrderCreated\.v1: shipBy was string and is gone\. Leave v1 as it was and publish OrderCreated\.v2 beside v1\.$/
  ],
  [
    'an event that is gone',
    'events/order-created.v1.json',
    event => (event.title = 'OrderPlaced.v1'),
    /^OrderPlaced\.v1 is gone\. Publish it as long as anyone reads it\.$/
  ],
  [
    'a version of an event that is gone',
    'events/order-created.v1.json',
    event => (event.title = 'OrderCreated.v2'),
    /^OrderCreated\.v2 is gone/
  ],
  [
    'another key',
    'release.json',
    ({ events }) => (events['OrderCreated.v1'].key = 'userId'),
    /^OrderCreated\.v1: its key is orderId instead of userId\. Leave it: events would lose their order\.$/
  ],
  [
    'another topic',
    'release.json',
    ({ events }) => (events['UserUpdated.v1'].topic = 'users'),
    /its topic is user\.events instead of users/
  ],
  [
    'another subject',
    'release.json',
    ({ events }) => (events['InventoryUpdated.v1'].subject = 'stock/{variantId}'),
    /its subject is stock-level\/\{variantId\}\/\{locationId\} instead of stock\/\{variantId\}/
  ],
  [
    'an operation that is gone',
    'openapi/product.v1.json',
    api => (api.paths['/v1/brands'] = { get: { operationId: 'listBrands', responses: {} } }),
    /^listBrands \(GET \/v1\/brands\) is gone\. Keep it, deprecated and with a Sunset date/
  ],
  [
    'a wider request that is narrower now',
    'openapi/product.v1.json',
    api => (api.components.schemas.CreateProduct.properties.title.maxLength = 9999),
    /^createProduct .*body title has maxLength 200 instead of 9999\. Leave it as it was and add a new operation beside it\.$/
  ]
]
for (const [what, path, plant, message] of broken) {
  test(`the promise of a release is missed: ${what}; and no release can be made until it is kept`, () =>
    inRelease((folder, promise) => {
      promise(path, plant)
      const messages = brokenPromises(folder)
      assert.match(messages[0] ?? 'nothing is missed', message)
      assert.throws(
        () => release(folder, '1.1.0'),
        (error: Error) => error.message === messages.join('\n')
      )
    }))
}

test('contracts that break a promise are not written, and the check of them fails, with what to do', () =>
  inRelease((folder, promise) => {
    cpSync(join(root, 'src/contracts'), join(folder, 'src/contracts'), { recursive: true })
    cpSync(join(root, 'package.json'), join(folder, 'package.json'))
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir')
    const generate = (...options: string[]) =>
      spawnSync(process.execPath, ['src/contracts/generate.ts', ...options], { cwd: folder, encoding: 'utf8' })
    assert.equal(generate().status, 0)
    assert.equal(generate('--check').status, 0)
    promise('events/order-created.v1.json', event => (event.properties.shipBy = { type: 'string' }))
    rmSync(join(folder, 'contracts/asyncapi.json'))
    for (const options of [[], ['--check']]) {
      const { status, stderr } = generate(...options)
      assert.equal(status, 1)
      assert.match(
        stderr,
        /OrderCreated\.v1: shipBy was string and is gone\. Leave v1 as it was and publish OrderCreated\.v2 beside v1\./
      )
    }
    assert.ok(!existsSync(join(folder, 'contracts/asyncapi.json')))
  }))

test('an API that is gone is missed', () =>
  inRelease(folder => {
    const at = join(folder, 'contracts/released/openapi')
    cpSync(join(at, 'user.v1.json'), join(at, 'customer.v1.json'))
    assert.deepEqual(brokenPromises(folder), ['The API of customer.v1.json is gone. Keep it as long as anyone calls it.'])
  }))

test('no release is made while an event has no golden body', () =>
  inRelease(folder => {
    rmSync(join(folder, golden, 'order-created-v1.json'))
    assert.throws(
      () => release(folder, '1.1.0'),
      /test\/golden\/events\/order-created-v1\.json is missing: a body of this event as it is published/
    )
  }))

/** The newest version of each event: what behaviours are given. */
const known = knownEvents(events.filter(event => !events.some(({ previous }) => previous?.event === event)))

for (const file of readdirSync(join(root, golden))) {
  test(`what was published once is read for ever: ${file}`, () => {
    const event = read(`${golden}/${file}`)
    const contract = events.find(contract => goldenFile(contract) === `${golden}/${file}`)
    assert.ok(contract, 'its version is still read')
    const body = Buffer.from(JSON.stringify(event))
    const decoded = decode({ topic: contract.topic, key: '', messageId: '', routingKey: '', headers: {}, body }, known)
    assert.equal(decoded.kind, 'event', JSON.stringify(decoded))
    if (decoded.kind !== 'event') return
    assert.equal(decoded.event.eventVersion, known.get(contract.type)!.version)
    assert.equal(decoded.key, event[contract.key])
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    addFormats.default(ajv)
    assert.ok(ajv.validate(read(`contracts/released/events/${eventFile(contract)}`), event), ajv.errorsText())
  })
}
