/** The shape of an OpenAPI 3.1 document as far as ours use it: every object closed, so that a misspelt field shows. */

const text = { type: 'string', minLength: 1 }
const closed = (required: string[], properties: object) => ({
  type: 'object',
  additionalProperties: false,
  patternProperties: { '^x-': true },
  required,
  properties
})
const mapOf = (members: object, names = '^[A-Za-z0-9._-]+$') => ({
  type: 'object',
  additionalProperties: false,
  patternProperties: { [names]: members }
})
const reference = closed(['$ref'], { $ref: { type: 'string', pattern: '^#/components/' } })
const orReference = (object: object) => ({ anyOf: [reference, object] })

const schema = { type: ['object', 'boolean'] }
const content = mapOf(closed([], { schema, examples: mapOf(closed([], { summary: text, value: true })) }), '^[a-z]+/[a-z+.-]+$')
const headers = mapOf(orReference(closed(['schema'], { description: text, required: { type: 'boolean' }, schema })))
const response = closed(['description'], { description: text, headers, content })
const parameter = closed(['name', 'in', 'schema'], {
  name: text,
  in: { enum: ['path', 'query', 'header', 'cookie'] },
  description: text,
  required: { type: 'boolean' },
  style: { const: 'form' },
  explode: { type: 'boolean' },
  schema
})
const requirement = mapOf({ type: 'array', items: text })
const operation = {
  ...closed(['operationId', 'tags', 'summary', 'responses', 'security'], {
    operationId: { type: 'string', pattern: '^[a-z][A-Za-z0-9]*$' },
    tags: { type: 'array', items: text, minItems: 1 },
    summary: text,
    description: text,
    deprecated: { type: 'boolean' },
    parameters: { type: 'array', items: orReference(parameter) },
    requestBody: closed(['content'], { required: { type: 'boolean' }, description: text, content }),
    responses: { ...mapOf(orReference(response), '^([1-5]([0-9]{2}|XX)|default)$'), minProperties: 1 },
    security: { type: 'array', items: requirement }
  })
}
const securityScheme = {
  oneOf: [
    closed(['type', 'scheme'], { type: { const: 'http' }, scheme: text, bearerFormat: text, description: text }),
    closed(['type', 'in', 'name'], { type: { const: 'apiKey' }, in: { const: 'header' }, name: text, description: text }),
    closed(['type', 'flows'], {
      type: { const: 'oauth2' },
      description: text,
      flows: closed([], {
        clientCredentials: closed(['tokenUrl', 'scopes'], { tokenUrl: text, scopes: mapOf(text, '^[a-z:-]+$') })
      })
    })
  ]
}

export const openApiShape = closed(['openapi', 'info', 'paths'], {
  openapi: { type: 'string', pattern: '^3\\.1\\.[0-9]+$' },
  info: closed(['title', 'version'], {
    title: text,
    version: text,
    description: text,
    license: closed(['name'], { name: text, identifier: text })
  }),
  servers: { type: 'array', items: closed(['url'], { url: text, description: text }) },
  tags: { type: 'array', items: closed(['name'], { name: text, description: text }) },
  paths: mapOf(closed([], { get: operation, post: operation, put: operation, patch: operation, delete: operation }), '^/'),
  components: closed([], {
    schemas: mapOf(schema),
    responses: mapOf(response),
    parameters: mapOf(parameter),
    headers,
    securitySchemes: mapOf(securityScheme)
  })
})
