import type { SigningKey } from '#platform/http/http-issuer.ts'
import type { Database } from '#platform/postgres/database.ts'
import type { Service } from '#platform/service.ts'
import { developmentClients } from './development-clients.ts'

/** Mounts the token issuer at /oauth; in production nothing, and its library stays out of memory. */
export const developmentIssuer: NonNullable<Service['extend']> = async ({ database, config, baseUrl, log }) => {
  if (config.NODE_ENV === 'production') return () => {}
  const { mountIssuer, newSigningKey } = await import('#platform/http/http-issuer.ts')
  const signingKey = await sharedSigningKey(database, newSigningKey)
  return app =>
    mountIssuer(app, {
      issuer: config.ISSUER_URL ?? `${baseUrl}/oauth`,
      audience: config.AUDIENCE,
      signingKey,
      clients: developmentClients,
      userMayAct: userId => isActive(database, userId),
      log
    })
}

/** The one key of all processes of the service: whoever comes first makes it. */
function sharedSigningKey(database: Database, newSigningKey: () => SigningKey): Promise<SigningKey> {
  return database.transact(async tx => {
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('issuer key', 0))`)
    const [known] = await tx.query<{ private_jwk: SigningKey }>(
      'select private_jwk from issuer_keys order by created_at desc, key_id limit 1'
    )
    if (known) return known.private_jwk
    const key = newSigningKey()
    await tx.query('insert into issuer_keys (key_id, private_jwk) values ($1, $2)', [key.kid, JSON.stringify(key)])
    return key
  })
}

async function isActive(database: Database, userId: string): Promise<boolean> {
  const [row] = await database.query(`select from users where user_id = $1 and status = 'active'`, [userId])
  return row !== undefined
}
