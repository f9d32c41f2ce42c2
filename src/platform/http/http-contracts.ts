/** The contracts as a service serves them: OpenAPI, AsyncAPI, event schemas, problem types, and a page that shows the API. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { asyncApi } from '#contracts/asyncapi.ts'
import { events } from '#contracts/catalogue.ts'
import type { Api, EventContract } from '#contracts/define.ts'
import { eventSchema, eventSchemaPath } from '#contracts/event-schema.ts'
import { openApi } from '#contracts/openapi.ts'
import { Problem, type ProblemCode, problems } from '#contracts/problems.ts'

export function addContracts(app: FastifyInstance, api: Api, baseUrl: string): void {
  addDocument(app, () => openApi(api))
  if (api.service !== 'product') return
  const asyncDocument = once(() => JSON.stringify(asyncApi()))
  app.get('/asyncapi.json', async (_request, reply) => reply.type('application/json').send(asyncDocument()))
  app.get('/problems/:code', async request => problemType((request.params as { code: string }).code, baseUrl))
  const schemas = new Map(events.map(event => [eventSchemaPath(event), once(() => schemaText(event, baseUrl))]))
  app.get('/schemas/events/:type/:version', async (request, reply) => {
    const { type, version } = request.params as { type: string; version: string }
    const text = schemas.get(eventSchemaPath({ type, version }))
    if (!text) throw new Problem('not-found', 'There is no such event, or not in this version')
    // A version only gains what nobody has to know.
    return reply.type('application/schema+json').header('cache-control', 'public, max-age=3600').send(text())
  })
}

/** The schema under the absolute address that `dataschema` of its events names. */
function schemaText(event: EventContract, baseUrl: string): string {
  const schema = eventSchema(event)
  return JSON.stringify({ ...schema, $id: baseUrl + schema.$id })
}

/**
 * Serves an OpenAPI document at /openapi.json, and as a page at /docs that needs nothing from elsewhere. It is made when somebody asks
 * for it first: most processes are never asked.
 */
export function addDocument(app: FastifyInstance, document: () => object): void {
  const made = once(document)
  const text = once(() => JSON.stringify(made()))
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json').send(text()))
  app.register(swagger, { mode: 'static', specification: { document: {} as never } })
  app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { docExpansion: 'none' },
    staticCSP: true,
    transformSpecification: () => made(),
    transformSpecificationClone: false
  })
}

function once<Value>(make: () => Value): () => Value {
  let made: { value: Value } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

function problemType(code: string, baseUrl: string): object {
  if (!Object.hasOwn(problems, code)) throw new Problem('not-found', 'There is no such problem type')
  const { status, title, retry } = problems[code as ProblemCode]
  return {
    type: `${baseUrl}/problems/${code}`,
    code,
    title,
    status,
    retry,
    advice: retry ? 'The same request can succeed later.' : 'The same request cannot succeed until something else changes.'
  }
}
