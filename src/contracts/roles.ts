/**
 * What people and programs are, as data: role → scopes. A token may carry roles instead of scopes, a user has roles in the User
 * Service; what an operation needs is a scope either way. A role that is not in this table allows nothing.
 */
import { allScopes, type Scope } from './scopes.ts'

type Role = { summary: string; scopes: readonly Scope[] }

/** Every role there is. An operation is allowed to a role by its scope; `docs/reference/permissions.md` shows which. */
export const roles = {
  viewer: { summary: 'Reads the catalog and stock', scopes: ['catalog:read', 'inventory:read'] },
  'catalog-editor': {
    summary: 'Keeps the catalog, one product at a time or from files',
    scopes: ['catalog:read', 'catalog:write', 'imports:write', 'inventory:read']
  },
  pricing: { summary: 'Keeps prices and price lists', scopes: ['catalog:read', 'prices:write'] },
  inventory: { summary: 'Keeps stock and locations', scopes: ['catalog:read', 'inventory:read', 'inventory:write'] },
  merchandiser: {
    summary: 'Keeps everything that is sold: catalog, prices and stock',
    scopes: ['catalog:read', 'catalog:write', 'imports:write', 'prices:write', 'inventory:read', 'inventory:write']
  },
  customer: { summary: 'Buys: reads the catalog, places orders', scopes: ['catalog:read', 'orders:read', 'orders:write'] },
  'order-service': {
    summary: 'Holds and settles stock for orders',
    scopes: ['catalog:read', 'inventory:read', 'reservations:write']
  },
  'partner-read': {
    summary: 'A partner who follows catalog, stock and events, by asking or by webhooks',
    scopes: ['catalog:read', 'inventory:read', 'events:read', 'webhooks:read', 'webhooks:write']
  },
  operator: {
    summary: 'Sees what failed between services, and has it tried again',
    scopes: ['events:read', 'webhooks:read', 'webhooks:write', 'operations:read', 'operations:write']
  },
  auditor: { summary: 'Reads everything', scopes: allScopes.filter(scope => scope.endsWith(':read')) },
  admin: { summary: 'May do everything', scopes: allScopes }
} as const satisfies Record<string, Role>

export type RoleName = keyof typeof roles

export const allRoles = Object.keys(roles) as RoleName[]

const scopesOf = new Map<string, readonly Scope[]>(allRoles.map(name => [name, roles[name].scopes]))

/** The scopes that any of these roles allows. Names are compared exactly; one that is not in the table adds nothing. */
export function scopesOfRoles(names: Iterable<string>): ReadonlySet<Scope> {
  const found = new Set<Scope>()
  for (const name of names) for (const scope of scopesOf.get(name) ?? []) found.add(scope)
  return found
}
