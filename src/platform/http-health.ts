/** Health: live depends on nothing; ready needs the database; a broker that is away only degrades, since events wait in the outbox. */
import type { FastifyInstance } from 'fastify'
import type { Database } from './database.ts'
import { registry } from './telemetry.ts'

export function addHealth(app: FastifyInstance, database: Database): void {
  app.get('/health/live', async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }))
  app.get('/health/ready', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    try {
      await database.query('select 1')
      return reply.send({ status: 'ok' })
    } catch {
      return reply.code(503).header('retry-after', '1').send({ status: 'unavailable', reason: 'the database is away' })
    }
  })
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}
