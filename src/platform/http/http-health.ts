/** Health: live depends on nothing; ready needs what nothing can be answered without. The metrics beside it. */
import type { FastifyInstance } from 'fastify'
import type { Database } from '../postgres/database.ts'
import { registry } from '../telemetry.ts'

export type Readiness = { status: 'ok' | 'unavailable'; reason?: string; services?: Record<string, string> }

export function addHealth(app: FastifyInstance, readiness: () => Promise<Readiness>): void {
  app.get('/health/live', async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }))
  app.get('/health/ready', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    const state = await readiness()
    if (state.status !== 'ok') reply.code(503).header('retry-after', '1')
    return reply.send(state)
  })
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}

/** A service is ready with its database; a broker that is away only degrades, since events wait in the outbox. */
export async function readyWith(database: Database): Promise<Readiness> {
  try {
    await database.query('select 1')
    return { status: 'ok' }
  } catch {
    return { status: 'unavailable', reason: 'the database is away' }
  }
}
