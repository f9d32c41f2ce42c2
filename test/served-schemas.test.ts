import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { apis, events } from '#contracts/catalogue.ts'
import { eventSchema, eventSchemaPath } from '#contracts/event-schema.ts'
import { readConfig } from '#platform/config.ts'
import { openLog } from '#platform/log.ts'
import { startGateway } from '../src/services/gateway/service.ts'
import { productService } from '../src/services/product/service.ts'
import { runService, trusting } from './support/service.ts'

const stack = new AsyncDisposableStack()
after(() => stack.disposeAsync())
const product = stack.use(await runService(productService))
const config = readConfig({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json', PORT: '0' })
const urls = Object.fromEntries(apis.map(({ service }) => [service, `${product.url}/v1`]))
const gateway = stack.use(
  await startGateway({ config, log: openLog(config), baseUrl: 'http://localhost:8080', urls, port: 0, authenticator: trusting })
)
const get = (path: string) => fetch(gateway.url + path)

test('the schema of every event in every version is served to anybody, under the address that its events name, to be kept', async () => {
  for (const event of events) {
    const path = eventSchemaPath(event)
    const reply = await get(path)
    assert.equal(reply.status, 200, path)
    assert.match(reply.headers.get('content-type') ?? '', /^application\/schema\+json/)
    assert.equal(reply.headers.get('cache-control'), 'public, max-age=3600')
    const schema = await reply.json()
    assert.deepEqual(schema, { ...eventSchema(event), $id: `http://localhost:8080${path}` })
    const ajv = new Ajv2020({ strict: false })
    addFormats.default(ajv)
    assert.doesNotThrow(() => ajv.compile(schema))
  }
})

test('an event or a version that there is not is a problem that is not kept', async () => {
  for (const path of ['OrderCreated/2', 'OrderCreated/01', 'OrderCreated/one', 'OrderPlaced/1', 'constructor/1']) {
    const reply = await get(`/schemas/events/${path}`)
    assert.equal(reply.status, 404, path)
    assert.match(reply.headers.get('content-type') ?? '', /^application\/problem\+json/)
    assert.doesNotMatch(reply.headers.get('cache-control') ?? '', /public/)
    assert.partialDeepStrictEqual(await reply.json(), { code: 'not-found', status: 404 })
  }
})
