/**
 * The house of ARCHITECTURE.md, as tables: who may import whom, which file is the door to which technology, what is named how. Each rule
 * is checked on the project as it is, and once more with a violation planted in it: a rule that notices nothing fails.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { apis } from '#contracts/catalogue.ts'
import { roles } from '../src/roles.ts'
import {
  type Area,
  areaOf,
  badNames,
  brokenDoors,
  type Ceiling,
  type Door,
  filesWithoutArea,
  forbiddenImports,
  type House,
  importCycles,
  impureRules,
  longFiles,
  namesOfNothing,
  type Pure,
  type Reasons,
  unansweredOperations,
  undeclaredAccess,
  unnamedBehaviours
} from './support/house.ts'
import { parseSource, readSources } from './support/source.ts'

const root = join(import.meta.dirname, '..')
const services = globSync('*', { cwd: join(root, 'src/services') })
const drivers = ['postgres', 'rabbitmq', 'kafka']
const driverOf = (name: string) => `broker driver ${name}`
const serviceOf = (name: string) => `service ${name}`

/** Who may import whom. A file belongs to the first area that has it. */
const areas: Area[] = [
  { name: 'tests', files: ['**/*.test.ts', 'test/**', 'src/broker/conformance*.ts'], mayImport: 'anything' },
  {
    name: 'contract files',
    files: ['src/contracts/generate.ts', 'src/contracts/release.ts'],
    mayImport: ['contracts'],
    node: ['node:fs', 'node:path']
  },
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
  { name: 'tools', files: ['scripts/**', 'bench/**'], mayImport: 'anything' }
]

/** One door per technology: the only files that import its packages or use it. Tests and tools come in as they need. */
const doors: Door[] = [
  {
    technology: 'PostgreSQL',
    packages: ['pg'],
    files: ['src/platform/postgres/database.ts', 'src/platform/postgres/database-errors.ts', 'src/broker/postgres.ts']
  },
  { technology: 'RabbitMQ', packages: ['amqplib'], files: ['src/broker/rabbitmq-*.ts'] },
  { technology: 'Kafka', packages: ['@platformatic/kafka'], files: ['src/broker/kafka-client.ts'] },
  { technology: 'migrations', packages: ['node-pg-migrate'], files: ['src/platform/postgres/migrate.ts'] },
  {
    technology: 'the web framework',
    packages: ['fastify', '@fastify/http-proxy', '@fastify/swagger', '@fastify/swagger-ui'],
    files: ['src/platform/http/http*.ts']
  },
  {
    technology: 'HTTP to others',
    packages: ['undici'],
    uses: ['fetch'],
    files: [
      'src/platform/http/http-client.ts',
      'src/platform/http/http-connector.ts',
      'src/platform/http/http-exchange.ts',
      'src/platform/egress/egress.ts'
    ]
  },
  { technology: 'policies of resilience', packages: ['cockatiel'], files: ['src/platform/resilience/resilience.ts'] },
  { technology: 'schemas as values', packages: ['typebox'], files: ['src/contracts/**', 'src/platform/**', 'src/services/**'] },
  {
    technology: 'validation',
    packages: ['ajv', 'ajv-formats'],
    files: ['src/platform/config.ts', 'src/platform/messaging/events.ts', 'src/platform/text/validation.ts']
  },
  { technology: 'the environment', uses: ['environment'], files: ['src/platform/config.ts'] },
  { technology: 'CSV', packages: ['csv-parse'], files: ['src/platform/text/csv.ts'] },
  {
    technology: 'tokens and signatures',
    packages: ['jose'],
    files: ['src/platform/identity/auth.ts', 'src/platform/signing/published-keys.ts', 'src/platform/signing/signature-check.ts']
  },
  { technology: 'the OAuth server', packages: ['oidc-provider'], files: ['src/platform/http/http-issuer.ts'] },
  {
    technology: 'caches',
    packages: ['lru-cache'],
    files: [
      'src/platform/identity/looked-up.ts',
      'src/platform/identity/auth.ts',
      'src/platform/http/documents.ts',
      'src/platform/identity/known-users.ts',
      'src/platform/http/listings.ts',
      'src/platform/http/rate-limit.ts'
    ]
  },
  { technology: 'logs', packages: ['pino'], files: ['src/platform/log.ts'] },
  { technology: 'metrics', packages: ['prom-client'], files: ['src/platform/telemetry.ts'] },
  {
    technology: 'traces',
    packages: [
      '@opentelemetry/api',
      '@opentelemetry/exporter-trace-otlp-proto',
      '@opentelemetry/resources',
      '@opentelemetry/sdk-trace'
    ],
    files: ['src/platform/opentelemetry.ts']
  }
]

/** Nouns and rules: arithmetic on what they are given, without a database, a clock, chance or a network. */
const pure: Pure = {
  files: [
    'order/order.ts',
    'product/catalog/category.ts',
    'product/catalog/changed-fields.ts',
    'product/catalog/merge-patch.ts',
    'product/catalog/price-ranges.ts',
    'product/catalog/product-announcements.ts',
    'product/catalog/product-change.ts',
    'product/catalog/product-document.ts',
    'product/catalog/product.ts',
    'product/catalog/slug.ts',
    'product/catalog/variant.ts',
    'product/inventory/hold.ts',
    'product/inventory/low-stock.ts',
    'product/inventory/reservation.ts',
    'product/inventory/settle.ts',
    'product/inventory/stock.ts',
    'product/imports/imported-product.ts',
    'product/imports/known.ts',
    'product/imports/plan-batch.ts',
    'product/pricing/effective-price.ts',
    'product/pricing/price-change.ts',
    'product/pricing/price-moves.ts',
    'product/pricing/price.ts',
    'search/matches.ts',
    'search/words.ts',
    'user/user.ts'
  ].map(file => `src/services/${file}`),
  // An event as a value, and the canonical text of a value.
  values: { 'src/platform/messaging/outbox.ts': ['announcement', 'EVENT_BYTES_MAX'], 'src/platform/text/json.ts': ['canonical'] }
}

/** Operations whose behaviour is not a function in a file of their name. */
const behavioursElsewhere = {
  getProduct: { file: 'load-products.ts', why: 'one read answers every request that waits for a product' },
  confirmOrder: { file: 'change-order.ts', why: 'three changes of one state machine' },
  cancelOrder: { file: 'change-order.ts', why: 'three changes of one state machine' },
  completeOrder: { file: 'change-order.ts', why: 'three changes of one state machine' }
}

/** Operations that anybody may call. */
const openOperations: Reasons = {}

/** Paths beside the contracts, all open to everybody; `…` is computed. */
const pathsBeside = {
  'src/platform/http/http-health.ts': ['/health/live', '/health/ready', '/metrics'],
  'src/platform/http/http-contracts.ts': ['/asyncapi.json', '/problems/:code', '/schemas/events/:type/:version', '/openapi.json'],
  'src/platform/http/http-jwks.ts': ['/.well-known/jwks.json'],
  'src/platform/http/http-challenges.ts': ['/.well-known/oauth-protected-resource'],
  // From the operations of a contract, each behind its scope.
  'src/platform/http/http.ts': ['…'],
  // What OAuth defines, below /oauth.
  'src/platform/http/http-issuer.ts': ['…']
}

/** A file is read in one go. One of tests is a list of promises, each read alone. */
const ceilings: Ceiling[] = [
  { files: ['**/*.test.ts'], linesMax: 500 },
  { files: ['**'], linesMax: 250 }
]

/** Why a file may be longer all the same. */
const longFor: Reasons = {}

/** Something that breaks a rule, and what the rule then says. */
type Planted = { files?: Record<string, string>; says: string[] } & Partial<Pick<House, 'apis' | 'handlers' | 'documents'>>
type Rule = { promise: string; check(house: House): string[]; planted: Planted[] }

function planted(path: string, text: string, ...says: string[]): Planted {
  return { files: { [path]: text }, says: says.map(each => `${path} ${each}`) }
}

function withPlanted({ files = {}, apis = [], handlers, documents }: Planted): House {
  const others = project.sources.filter(({ path }) => !(path in files))
  return {
    sources: [...others, ...Object.entries(files).map(([path, text]) => parseSource(path, text))],
    paths: [...project.paths, ...Object.keys(files)],
    documents: { ...project.documents, ...documents },
    apis: [...project.apis, ...apis],
    handlers: { ...project.handlers, ...handlers }
  }
}

/** What runs for users: no tests, no tools. */
function program(all: House): House {
  return { ...all, sources: all.sources.filter(({ path }) => path.startsWith('src/') && areaOf(path, areas)?.name !== 'tests') }
}

const stock = 'src/services/product/inventory/stock.ts'
/** A service that tells everybody everything. */
const getSecret = {
  method: 'GET',
  path: '/v1/secrets',
  tag: 'Secrets',
  summary: 'Get it',
  scope: null,
  reply: { status: 200, description: 'It' }
} as const
const vault = { service: 'vault', operations: { getSecret } }

const rules: Rule[] = [
  {
    promise: 'every file of the program belongs to an area',
    check: all => filesWithoutArea(all, areas),
    planted: [{ files: { 'src/adapters/x.ts': '' }, says: ['src/adapters/x.ts belongs to no area'] }]
  },
  {
    promise: 'an area imports only what it may',
    check: all => forbiddenImports(all, areas),
    planted: [
      planted('src/contracts/x.ts', `import { newId } from '#platform/id.ts'`, 'imports src/platform/id.ts'),
      planted('src/contracts/x.ts', `import { randomUUID } from 'node:crypto'`, 'imports node:crypto'),
      planted('src/broker/x.ts', `import type { Api } from '#contracts/define.ts'`, 'imports src/contracts/define.ts'),
      planted('src/broker/kafka-x.ts', `export { openPostgresBroker } from './postgres.ts'`, 'imports src/broker/postgres.ts'),
      planted('src/platform/x.ts', `import { openBroker } from '#broker/open.ts'`, 'imports src/broker/open.ts'),
      planted('src/platform/x.ts', `import * as broker from '#broker/broker.ts'`, 'imports src/broker/broker.ts'),
      planted('src/platform/x.ts', `import '../services/user/service.ts'`, 'imports src/services/user/service.ts'),
      planted('src/platform/x.ts', `import '#broker/conformance.ts'`, 'imports src/broker/conformance.ts'),
      planted('src/services/order/x.ts', `import type { User } from '../user/user.ts'`, 'imports src/services/user/user.ts'),
      planted('src/services/order/x.ts', `const user = await import('../user/user.ts')`, 'imports src/services/user/user.ts'),
      planted('src/services/order/x.ts', `type User = import('../user/user.ts').UserRow`, 'imports src/services/user/user.ts'),
      planted('src/services/order/x.ts', 'export const service = (path: string) => import(path)', 'imports …'),
      planted('src/services/order/x.ts', `import type { Broker } from '#broker/broker.ts'`, 'imports src/broker/broker.ts'),
      planted('src/services/order/x.ts', `import { roles } from '../../roles.ts'`, 'imports src/roles.ts'),
      planted('src/services/order/x.ts', 'export const url = process.env.URL', 'uses environment'),
      planted('src/services/order/x.ts', `export const ask = () => fetch('http://product')`, 'uses fetch')
    ]
  },
  {
    promise: 'there is one door to each technology',
    check: all => brokenDoors(program(all), doors),
    planted: [
      planted('src/services/order/x.ts', `import pg from 'pg'`, 'uses pg without being its door'),
      planted('src/services/order/x.ts', `import type { FastifyInstance } from 'fastify'`, 'uses fastify without being its door'),
      planted('src/platform/x.ts', `const { jwtVerify } = await import('jose')`, 'uses jose without being its door'),
      planted('src/platform/x.ts', `import fast from 'ajv/dist/jtd.js'`, 'uses ajv without being its door'),
      planted('src/platform/x.ts', `import pad from 'left-pad'`, 'uses left-pad without being its door'),
      planted('src/platform/x.ts', `export const ask = () => fetch('http://user')`, 'uses fetch without being its door'),
      planted('src/platform/x.ts', `import { request } from 'undici'`, 'uses undici without being its door'),
      planted('src/platform/x.ts', 'const { env } = process', 'uses environment without being its door'),
      planted('src/platform/x.ts', `export const home = globalThis.process['env'].HOME`, 'uses environment without being its door'),
      { files: { 'src/platform/log.ts': '' }, says: ['src/platform/log.ts is a door to logs that nobody goes through'] }
    ]
  },
  {
    promise: 'nouns and rules do no more than arithmetic',
    check: all => impureRules(all, pure),
    planted: [
      planted(
        stock,
        `import type { Queryable } from '#platform/postgres/database.ts'`,
        'imports src/platform/postgres/database.ts'
      ),
      planted(stock, `import { newId } from '#platform/id.ts'`, 'imports src/platform/id.ts'),
      planted(stock, `import { readFile } from 'node:fs/promises'`, 'imports node:fs/promises'),
      planted(stock, 'export const now = () => new Date()', 'uses clock'),
      planted(stock, 'export const dice = () => Math.random()', 'uses chance'),
      planted(stock, `export async function ask() { return fetch('http://order') }`, 'uses fetch', 'uses async')
    ]
  },
  {
    promise: 'no imports run in a circle',
    check: importCycles,
    planted: [
      {
        files: { 'src/platform/x.ts': `import './y.ts'`, 'src/platform/y.ts': `export * from './x.ts'` },
        says: ['src/platform/x.ts → src/platform/y.ts → src/platform/x.ts']
      },
      { files: { 'src/platform/x.ts': `import './y.ts'`, 'src/platform/y.ts': `import type { X } from './x.ts'` }, says: [] }
    ]
  },
  {
    promise: 'names are kebab-case and say what is in a file',
    check: all => badNames(all, ['src', 'test', 'scripts', 'bench', 'docs', 'examples']),
    planted: [
      'src/platform/orderStock.ts',
      'src/platform/string-utils.ts',
      'src/contracts/index.ts',
      'src/common/x.ts',
      'src/services/order/OrderManager.ts'
    ].map(path => ({
      files: { [path]: '' },
      says: [`${path} is not a name that says what is in it, in kebab-case`]
    }))
  },
  {
    promise: 'the documents name files that are there',
    check: namesOfNothing,
    planted: [
      {
        documents: {
          'STYLE.md': 'See `src/platform/gone.ts`, `http.ts`, `platform/http/http.ts` and `src/services/<name>/service.ts`.'
        },
        says: ['STYLE.md names src/platform/gone.ts, which is not there']
      },
      { documents: { 'STYLE.md': '[Reasons](docs/reasons)' }, says: ['STYLE.md names docs/reasons, which is not there'] }
    ]
  },
  {
    promise: 'a behaviour has one name: of the operation, of its file, and of the function with which the file begins',
    check: all => unnamedBehaviours(all, behavioursElsewhere),
    planted: [
      { apis: [vault], says: ['getSecret of vault has no get-secret.ts'] },
      planted(
        'src/services/order/get-order.ts',
        'export function findOrder() {}\nexport function getOrder() {}',
        'begins with findOrder, not with getOrder'
      )
    ]
  },
  {
    promise: 'a service answers exactly the operations of its contract',
    check: unansweredOperations,
    planted: [
      { apis: [vault], says: ['getSecret of vault has no handler'] },
      {
        apis: [vault],
        handlers: { vault: ['getSecret', 'tellSecret'] },
        says: ['vault answers tellSecret, which no contract declares']
      }
    ]
  },
  {
    promise: 'whoever asks needs a scope, but for what is listed as open',
    check: all => undeclaredAccess(program(all), openOperations, pathsBeside),
    planted: [
      { apis: [vault], says: ['getSecret names no scope'] },
      planted('src/platform/x.ts', `app.get('/secrets', () => secrets)`, 'serves /secrets beside the contracts'),
      planted('src/platform/x.ts', `app.route({ method: 'GET', url: '/secrets' })`, 'serves /secrets beside the contracts')
    ]
  },
  {
    promise: 'a file is read in one go, or is in the list with a reason',
    check: all => longFiles(all, ceilings, longFor),
    planted: [planted('src/platform/x.ts', '\n'.repeat(251), 'has 251 lines, over 250')]
  }
]

const sources = readSources(root, ['src', 'test', 'scripts', 'bench'])
const project: House = {
  sources,
  paths: globSync('{LICENSE,*.*,{src,test,scripts,bench,docs,examples,contracts}/**/*.*}', { cwd: root }),
  documents: Object.fromEntries(globSync('*.md', { cwd: root }).map(path => [path, readFileSync(join(root, path), 'utf8')])),
  apis,
  handlers: Object.fromEntries(
    Object.values(roles).flatMap(role => (role === 'gateway' ? [] : [[role.service.name, Object.keys(role.service.handlers)]]))
  )
}

for (const { promise, check, planted } of rules) {
  test(promise, () => {
    const violations = check(project)
    if (violations.length > 0) assert.fail(violations.join('\n'))
  })

  test(`${promise}: what breaks it is noticed`, () => {
    const before = new Set(check(project))
    for (const each of planted) {
      assert.deepEqual(
        check(withPlanted(each)).filter(violation => !before.has(violation)),
        each.says
      )
    }
  })
}

test('the longest files', t => {
  const longest = program(project).sources.toSorted((a, b) => b.lines - a.lines)
  for (const { path, lines } of longest.slice(0, 5)) t.diagnostic(`${lines} ${path}`)
})
