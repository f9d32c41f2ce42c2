/**
 * The house of ARCHITECTURE.md, as tables: who may import whom, which file is the door to which technology, what is named how. Each rule
 * is checked on the project as it is, and once more with a violation planted in it: a rule that notices nothing fails.
 */
import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { apis } from '#contracts/catalogue.ts'
import { roles } from '../src/roles.ts'
import type * as house from './support/house.ts'
import { parseSource, readSources } from './support/source.ts'

const root = join(import.meta.dirname, '..')
const services = globSync('*', { cwd: join(root, 'src/services') })
const drivers = ['postgres', 'rabbitmq', 'kafka']

/** Who may import whom. A file belongs to the first area that has it. */
const areas: house.Area[] = [
  { name: 'tests', files: ['**/*.test.ts', 'test/**', 'src/broker/conformance*.ts'], mayImport: everything() },
  { name: 'contract files', files: ['src/contracts/generate.ts'], mayImport: ['contracts'], node: ['node:fs', 'node:path'] },
  { name: 'contracts', files: ['src/contracts/**'], mayImport: [], node: [], never: ['environment', 'process', 'fetch', 'clock'] },
  { name: 'broker interface', files: ['src/broker/broker.ts'], mayImport: [], node: [] },
  { name: 'broker opening', files: ['src/broker/open.ts'], mayImport: ['broker', 'broker interface', ...drivers.map(driverOf)] },
  ...drivers.map(name => ({ name: driverOf(name), files: [`src/broker/${name}*.ts`], mayImport: ['broker', 'broker interface'] })),
  { name: 'broker', files: ['src/broker/**'], mayImport: ['broker interface'] },
  {
    name: 'platform',
    files: ['src/platform/**'],
    mayImport: ['contracts'],
    // The one refusal that every driver throws alike.
    mayImportTypes: { 'broker interface': ['MessagesRefused'] }
  },
  ...services.map(name => ({
    name: serviceOf(name),
    files: [`src/services/${name}/**`],
    mayImport: ['contracts', 'platform'],
    node: [],
    never: ['environment', 'process', 'fetch'] as const
  })),
  {
    name: 'program',
    files: ['src/*.ts'],
    mayImport: ['contracts', 'broker', 'broker interface', 'broker opening', 'platform', ...services.map(serviceOf)]
  },
  { name: 'tools', files: ['scripts/**', 'bench/**'], mayImport: everything() }
]

/** One door per technology: the only files that import its packages or use it. Tests and tools come in as they need. */
const doors: house.Door[] = [
  { technology: 'PostgreSQL', packages: ['pg'], files: ['src/platform/database.ts', 'src/broker/postgres.ts'] },
  { technology: 'migrations', packages: ['node-pg-migrate'], files: ['src/platform/migrate.ts'] },
  {
    technology: 'the web framework',
    packages: ['fastify', '@fastify/http-proxy', '@fastify/swagger', '@fastify/swagger-ui'],
    files: ['src/platform/http*.ts', 'src/platform/health.ts', 'src/platform/issuer.ts', 'src/platform/published-contracts.ts']
  },
  {
    technology: 'HTTP to others',
    packages: ['undici'],
    uses: ['fetch'],
    files: ['src/platform/http-client.ts', 'src/platform/http-gateway.ts', 'src/welcome.ts']
  },
  { technology: 'schemas as values', packages: ['typebox'], files: ['src/contracts/**', 'src/platform/*.ts', 'src/services/**'] },
  {
    technology: 'validation',
    packages: ['ajv', 'ajv-formats'],
    files: ['src/platform/config.ts', 'src/platform/events.ts', 'src/platform/validation.ts']
  },
  { technology: 'the environment', uses: ['environment'], files: ['src/platform/config.ts'] },
  { technology: 'access tokens', packages: ['jose'], files: ['src/platform/auth.ts'] },
  { technology: 'the OAuth server', packages: ['oidc-provider'], files: ['src/platform/issuer.ts'] },
  { technology: 'caches', packages: ['lru-cache'], files: ['src/platform/auth.ts', 'src/platform/documents.ts'] },
  { technology: 'ids', packages: ['uuid'], files: ['src/platform/id.ts'] },
  { technology: 'logs', packages: ['pino'], files: ['src/platform/log.ts'] },
  { technology: 'metrics', packages: ['prom-client'], files: ['src/platform/telemetry.ts'] }
]

/** Nouns and rules: arithmetic on what they are given, without a database, a clock, chance or a network. */
const pure: house.Pure = {
  files: [
    'order/order.ts',
    'product/catalog/category.ts',
    'product/catalog/changed-fields.ts',
    'product/catalog/merge-patch.ts',
    'product/catalog/product-announcements.ts',
    'product/catalog/product-change.ts',
    'product/catalog/product.ts',
    'product/catalog/slug.ts',
    'product/catalog/variant.ts',
    'product/inventory/hold.ts',
    'product/inventory/low-stock.ts',
    'product/inventory/reservation.ts',
    'product/inventory/stock.ts',
    'product/pricing/price.ts',
    'search/matches.ts',
    'search/words.ts',
    'user/user.ts'
  ].map(file => `src/services/${file}`),
  // An event as a value, and the canonical text of a value.
  values: { 'src/platform/outbox.ts': ['announcement'], 'src/platform/json.ts': ['canonical'] }
}

/** Operations whose behaviour is not a function in a file of their name. */
const behavioursElsewhere = {
  getProduct: { file: 'load-products.ts', why: 'one read answers every request that waits for a product' },
  confirmOrder: { file: 'change-order.ts', why: 'three changes of one state machine' },
  cancelOrder: { file: 'change-order.ts', why: 'three changes of one state machine' },
  completeOrder: { file: 'change-order.ts', why: 'three changes of one state machine' }
}

/** Operations that anybody may call. */
const openOperations: house.Reasons = {}

/** Paths beside the contracts, all open to everybody; `…` is computed. */
const pathsBeside = {
  'src/platform/health.ts': ['/health/live', '/health/ready', '/metrics'],
  'src/platform/http-gateway.ts': ['/health/live', '/health/ready', '/metrics'],
  'src/platform/published-contracts.ts': ['/asyncapi.json', '/problems/:code', '/schemas/events/:type/:version', '/openapi.json'],
  // From the operations of a contract, each behind its scope.
  'src/platform/http.ts': ['…'],
  // What OAuth defines, below /oauth.
  'src/platform/issuer.ts': ['…']
}

/** Why a file may be longer than others. */
const longFiles: house.Reasons = {
  'src/contracts/http/product-catalog.ts': 'a vocabulary: one entry per operation',
  'test/architecture.test.ts': 'tables',
  'test/contracts.test.ts': 'one promise after another, none depends on the next',
  'src/services/search/search.test.ts': 'one promise after another, none depends on the next'
}

type Planted = { files?: Record<string, string>; house?: Partial<house.House>; says: string[] }
