import { allScopes, type Scope } from '#contracts/scopes.ts'

/** A client of the development issuer. Its secret is public knowledge, so production refuses it together with the issuer. */
export type DevelopmentClient = { clientId: string; secret: string; scopes: readonly Scope[] }

/** The clients that there are in development. A user's token carries at most the scopes of the client that asks for it. */
export const developmentClients: readonly DevelopmentClient[] = [
  { clientId: 'admin', secret: 'admin-secret', scopes: allScopes },
  { clientId: 'storefront', secret: 'storefront-secret', scopes: ['catalog:read'] },
  {
    clientId: 'order-service',
    secret: 'order-service-secret',
    scopes: ['catalog:read', 'inventory:read', 'reservations:write']
  },
  // By which services ask each other.
  { clientId: 'services', secret: 'services-secret', scopes: ['api-keys:introspect', 'users:read'] },
  { clientId: 'partner', secret: 'partner-secret', scopes: ['catalog:read', 'inventory:read'] }
]
