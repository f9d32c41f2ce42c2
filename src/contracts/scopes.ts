/** Every permission there is, and what it allows. An operation names exactly one; a token carries any number. Default deny. */
export const scopes = {
  'catalog:read': 'Read products, variants, prices and categories, search them, and say that one was viewed',
  'catalog:write': 'Create, change, archive and delete products, variants and categories',
  'imports:write': 'Bring catalogs in from files, and stop that',
  'prices:write': 'Change prices',
  'inventory:read': 'Read stock, availability, the ledger and reconciliation',
  'inventory:write': 'Adjust stock, set thresholds, manage locations',
  'reservations:write': 'Hold, confirm, extend, commit and release stock for orders; read reservations',
  'orders:read': 'Read orders',
  'orders:write': 'Place, confirm, cancel and complete orders',
  'users:read': 'Read users',
  'users:write': 'Change users',
  'search:write': 'Hand documents to the search index',
  'events:read': 'Read the published events, in pages or live',
  'webhooks:read': 'See one’s webhook endpoints and what became of their deliveries',
  'webhooks:write': 'Have events that one may read delivered to addresses, change that, and deliver again',
  'operations:read': 'See dead letters',
  'operations:write': 'Replay and discard dead letters',
  'api-keys:read': 'See API keys, but for their secrets',
  'api-keys:write': 'Give out API keys with scopes that one has oneself, exchange their secrets, and take them back',
  'api-keys:introspect': 'Have a service told what an API key allows',
  'audit:read': 'Read the audit log and take it out: who did what, and what was refused to whom'
} as const

export type Scope = keyof typeof scopes

export const allScopes = Object.keys(scopes) as Scope[]

/** What an API key may have: it never gives out, changes or examines keys, and reads no audit log. */
export const apiKeyScopes = allScopes.filter(scope => !scope.startsWith('api-keys:') && scope !== 'audit:read')
