/** The key set with which anybody can verify the events of a service. */
import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Queryable } from '../postgres/database.ts'
import { KEY_SET_MAX_AGE_SECONDS, readPublicKeys } from '../signing/signing-keys.ts'
import { noneMatch } from './etag.ts'

/** Serves /.well-known/jwks.json. Anybody may ask: these are public keys. */
export function addKeySet(app: FastifyInstance, database: Queryable, retentionDays: number): void {
  app.get('/.well-known/jwks.json', async (request, reply) => {
    const text = JSON.stringify({ keys: await readPublicKeys(database, retentionDays) })
    const etag = `"${createHash('sha256').update(text).digest('base64url')}"`
    reply.header('etag', etag).header('cache-control', `public, max-age=${KEY_SET_MAX_AGE_SECONDS}`)
    if (noneMatch(request.headers['if-none-match'], etag)) return reply.code(304).send()
    return reply.type('application/jwk-set+json').send(text)
  })
}
