/** Secrets that the program is given or shown are in nothing that it tells: its log, traces, metrics, refusals, audit log and database; and nobody writes its log for it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { settings } from '#platform/config.ts'
import { openDatabase } from '#platform/postgres/database.ts'
import { freePort } from './support/free-port.ts'
import { quiet } from './support/messaging.ts'
import { startCollector } from './support/otlp-collector.ts'
import { startTestServer } from './support/test-server.ts'
import { startWebhookReceiver, type WebhookReceiver } from './support/webhook-receiver.ts'
import { eventually } from './support/world.ts'

const canaries = new Map<string, string>()
/** Of an owner of webhooks, who is shown them: they are where they belong, and nowhere else. */
const ofOwner = new Map<string, string>()
/** Whoever audits is to see where events went. */
const belonging: Readonly<Record<string, readonly string[]>> = {
  database: ['path of a webhook', 'token of a webhook', 'answer of a receiver'],
  audit: ['path of a webhook', 'token of a webhook']
}
/** A secret of its own, to be found nowhere. */
function canary(name: string, among = canaries): string {
  const value = `canary${randomBytes(16).toString('hex')}`
  among.set(name, value)
  return value
}

const port = await freePort()
const issuer = `http://localhost:${port}/oauth`
/** Nobody answers there: what is told of that is read as well. */
const away = { url: 'http://127.0.0.1:9/introspect', clientId: 'product-service' }

/** Settings that are secrets, each with how it holds one. */
const secretSettings: Readonly<Record<string, (secret: string) => string>> = {
  DATABASE_URL: secret => secret,
  ISSUERS: clientSecret =>
    JSON.stringify([
      { url: issuer, jwksUrl: `${issuer}/jwks` },
      { url: 'https://id.example', introspection: { ...away, clientSecret } }
    ]),
  BROKER_PASSWORD: secret => secret,
  BROKER_TLS_KEY: secret => secret,
  CLIENT_SECRET: secret => secret,
  OTEL_EXPORTER_OTLP_HEADERS: secret => `x-collector-key=${secret}`,
  SIGNING_KEY_SECRET: secret => secret
}
/** They have words of secrets in their names, and hold none. */
const noSecrets = ['SIGNING_KEY_RETENTION_DAYS', 'API_KEY_ENVIRONMENT', 'TOKEN_URL', 'TLS_KEY_FILE']
/** The program does not begin with a private key that is none; what it is read for never leaves the listener (src/platform/tls/tls.ts). */
const notTried = ['TLS_KEY']

test('every setting that may be a secret is tried here', () => {
  const names = Object.keys(settings.properties).filter(
    name =>
      /SECRET|PASSWORD|KEY|TOKEN|CREDENTIAL|OTLP_HEADERS|^ISSUERS$|^DATABASE_URL$/.test(name) &&
      ![...noSecrets, ...notTried].includes(name)
  )
  assert.deepEqual(names.sort(), Object.keys(secretSettings).sort())
})

type Told = { log: string; aside: string; metrics: string; traces: Buffer; refusals: string; audit: string; database: string }
let told: Told
const replies: { status: number; body: string }[] = []
const stack = new AsyncDisposableStack()
after(() => stack.disposeAsync())

before(
  async () => {
    // A server of its own: the passwords of the services' roles follow from the administrator's.
    const server = stack.use(await startTestServer())
    const admin = stack.use(openDatabase({ url: server.url, schema: 'public', poolSize: 1, log: quiet }))
    const databaseUrl = new URL(server.url)
    databaseUrl.username = 'canary'
    databaseUrl.password = canary('DATABASE_URL')
    await admin.query(`create role canary superuser login password '${databaseUrl.password}'`)
    const collector = stack.use(await startCollector())
    const receiver = stack.use(await startWebhookReceiver())
    const secrets = Object.entries(secretSettings).filter(([name]) => name !== 'DATABASE_URL')
    const child = spawn(process.execPath, ['src/main.ts'], {
      env: {
        ...process.env,
        ...Object.fromEntries(secrets.map(([name, holding]) => [name, holding(canary(name))])),
        CLIENT_ID: 'product-service',
        DATABASE_URL: databaseUrl.href,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        WEBHOOK_ALLOW_HTTP: '1',
        WEBHOOK_ALLOW_PRIVATE: '1',
        WEBHOOK_RETRY_DELAYS_MS: '1,86400000',
        NODE_ENV: 'test',
        PORT: String(port),
        LOG_LEVEL: 'trace',
        LOG_FORMAT: 'json',
        SAMPLE_CATALOG: '0'
      },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    stack.defer(() => void child.kill('SIGKILL'))
    let log = ''
    let aside = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      log += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      aside += text
    })
    const ready = await eventually(
      async () => log.split('\n').find(line => line.includes('"msg":"ready"')),
      line => line !== undefined || child.exitCode !== null,
      120_000
    )
    assert.ok(ready, log + aside)
    const { url, urls } = JSON.parse(ready) as { url: string; urls: Record<string, string> }
    await askEverything(url)
    await receiveWebhooks(url, receiver)
    // A connection that breaks under a request is told of, too.
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'product.pool' and datname = current_database()`
    )
    await ask(url, 'GET', '/v1/categories', { authorization: `Bearer ${canaries.get('token')}` })
    const recorded = () => readAudit(databaseUrl.href)
    const audit = await eventually(recorded, text => text.includes('insufficient-scope') && text.includes('createApiKey'))
    await eventually(
      async () => collector.spans.length,
      count => count > 5
    )
    const addresses = [url, ...Object.values(urls).map(each => new URL(each).origin)]
    const metrics = (await Promise.all(addresses.map(async each => (await fetch(`${each}/metrics`)).text()))).join('\n')
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
    const refusals = replies.filter(({ status }) => status >= 400).map(({ body }) => body)
    const database = await readEverything(databaseUrl.href)
    told = { log, aside, metrics, traces: Buffer.concat(collector.bodies), refusals: refusals.join('\n'), audit, database }
  },
  { timeout: 300_000 }
)

async function ask(url: string, method: string, path: string, headers: Record<string, string>, body?: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const asked = request({ agent: false, hostname, port, method, path, headers: { 'content-type': 'application/json', ...headers } })
  asked.end(body)
  const [reply] = await once(asked, 'response')
  let text = ''
  for await (const chunk of reply) text += chunk
  replies.push({ status: reply.statusCode, body: text })
  return text
}

const FORGED = '{"level":50,"forged":true,"msg":"forged"}'
const ANSI = '\u001b[31m'

async function askEverything(url: string): Promise<void> {
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const client = (secret: string) => `grant_type=client_credentials&client_id=admin&client_secret=${secret}`
  await ask(url, 'POST', '/oauth/token', form, client(canary('wrong client secret')))
  const token = JSON.parse(await ask(url, 'POST', '/oauth/token', form, client('admin-secret'))).access_token as string
  canaries.set('token', token)
  canaries.set('signature of the token', token.split('.')[2]!)
  const authorization = `Bearer ${token}`
  // A process that has just begun may be slow to fetch its own keys.
  await eventually(
    () => ask(url, 'GET', '/v1/categories', { authorization }),
    text => 'data' in JSON.parse(text)
  )
  const secretBody = JSON.stringify({ name: 'x', secret: canary('a webhook’s secret'), signature: canary('signature in a body') })
  const issued = await ask(
    url,
    'POST',
    '/v1/api-keys',
    { authorization },
    JSON.stringify({ name: 'Partner', scopes: ['catalog:read'] })
  )
  const { key } = JSON.parse(issued) as { key?: string }
  assert.ok(key, issued)
  canaries.set('API key', key)
  canaries.set('secret of the API key', key.split('_').at(-1)!.slice(0, 32))
  await ask(url, 'GET', '/v1/categories', { 'x-api-key': key })
  await ask(url, 'POST', '/v1/categories', { 'x-api-key': key }, secretBody)
  const tampered = `${key.slice(0, -6)}AAAAAA`
  await ask(url, 'GET', '/v1/categories', { 'x-api-key': tampered })
  await ask(url, 'GET', '/v1/categories', { 'x-api-key': canary('no API key') })
  await ask(url, 'GET', '/v1/categories', { authorization: `Bearer ${canary('opaque token')}` })
  await ask(url, 'GET', '/v1/categories', {
    authorization: `Basic ${canary('basic credentials')}`,
    cookie: `s=${canary('cookie')}`
  })
  await ask(url, 'GET', `/v1/categories?access_token=${canary('token in the query')}`, { authorization })
  await ask(url, 'POST', '/v1/categories', { authorization, 'ce-signature': canary('signature in a header') }, secretBody)
  await ask(url, 'POST', '/v1/categories', { authorization }, `{"name":"${canary('body that is no JSON')}`)
  await ask(
    url,
    'POST',
    '/v1/products',
    { authorization },
    JSON.stringify({ title: 'Boot', slug: canary('value that is refused').toUpperCase() })
  )
  // What people write, in places that are told: it may be read, and may not look like anything else.
  const written = encodeURIComponent(`x\r\n${FORGED}\n${ANSI}`)
  await ask(url, 'GET', `/v1/categories/${written}`, { authorization, 'x-request-id': `y ${FORGED}`, 'user-agent': FORGED })
  await ask(url, 'DELETE', `/v1/products/${written}`, { authorization })
  await ask(url, 'POST', '/v1/categories', { authorization }, JSON.stringify({ name: `z\n${FORGED}${ANSI}` }))
}

/** Endpoints that fail, with two secrets each that sign: what is told of failures is read as well. */
async function receiveWebhooks(url: string, receiver: WebhookReceiver): Promise<void> {
  const authorization = `Bearer ${canaries.get('token')}`
  const address = `${receiver.url}/hooks/${canary('path of a webhook', ofOwner)}?token=${canary('token of a webhook', ofOwner)}`
  const answer = canary('answer of a receiver', ofOwner)
  receiver.answer = () => response => void response.writeHead(500).end(answer)
  const body = JSON.stringify({ url: address, eventTypes: ['CategoryCreated'] })
  const write = (path: string, key: string, body?: string) =>
    ask(url, 'POST', path, { authorization, 'idempotency-key': key }, body)
  const created = JSON.parse(await write('/v1/webhook-endpoints', 'created', body))
  const repeated = JSON.parse(await write('/v1/webhook-endpoints', 'created', body))
  const path = `/v1/webhook-endpoints/${created.webhookEndpointId}`
  const rotated = JSON.parse(await write(`${path}/rotate-secret`, 'rotated', '{}'))
  assert.equal(JSON.parse(await write(`${path}/rotate-secret`, 'refused', '{}')).code, 'illegal-transition')
  assert.deepEqual([repeated.webhookEndpointId, repeated.secret], [created.webhookEndpointId, null])
  for (const [name, { secret }] of Object.entries({ first: created, second: rotated })) {
    assert.match(secret, /^whsec_/)
    canaries.set(`${name} secret of a webhook`, secret.slice('whsec_'.length))
    canaries.set(`${name} secret of a webhook, in hex`, Buffer.from(secret.slice('whsec_'.length), 'base64').toString('hex'))
  }
  await write(`${path}/ping`, 'pinged')
  await ask(url, 'POST', '/v1/categories', { authorization }, JSON.stringify({ name: 'Told by webhook' }))
  const received = await eventually(
    async () => receiver.received,
    ({ length }) => length >= 4
  )
  for (const [index, signature] of String(received[0]!.headers['webhook-signature']).split(' ').entries())
    canaries.set(`signature ${index} of a webhook`, signature.split(',')[1]!)
  const deliveries = await eventually(
    async () => JSON.parse(await ask(url, 'GET', '/v1/webhook-deliveries', { authorization })).data as { attempts: number }[],
    list => list.length >= 2 && list.every(({ attempts }) => attempts >= 2)
  )
  assert.equal(deliveries.length, 2)
  const nowhere = JSON.stringify({ url: `ftp://${address}`, eventTypes: ['CategoryCreated'] })
  await write('/v1/webhook-endpoints', 'nowhere', nowhere)
  // Refused: what is looked through afterwards still has its secrets.
  await ask(url, 'DELETE', path, { authorization, 'if-match': '"7"' })
}

/** Every row of every table there is, with bytes as hex. */
async function readEverything(url: string): Promise<string> {
  await using database = openDatabase({ url, schema: 'public', poolSize: 1, log: quiet })
  const tables = await database.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema')`
  )
  const texts: string[] = []
  for (const { name } of tables) {
    const rows = await database.query<{ text: string }>(`select r::text as text from ${name} r`)
    texts.push(...rows.map(({ text }) => `${name} ${text}`))
  }
  return texts.join('\n')
}

async function readAudit(url: string): Promise<string> {
  await using database = openDatabase({ url, schema: 'public', poolSize: 1, log: quiet })
  const rows = await database.query<{ text: string }>(
    ['product', 'order', 'user', 'search']
      .map(schema => `select r::text as text from "${schema}".audit_records r`)
      .join(' union all ')
  )
  return rows.map(({ text }) => text).join('\n')
}

for (const where of ['log', 'metrics', 'traces', 'refusals', 'audit', 'database'] as const) {
  test(`no secret is in what is told as ${where}`, () => {
    const text = where === 'log' ? told.log + told.aside : told[where]
    assert.ok(text.length > 100, `${where} tells something`)
    const found = [...canaries, ...ofOwner].filter(([, secret]) => text.includes(secret)).map(([name]) => name)
    assert.deepEqual(found, belonging[where] ?? [])
    assert.ok(canaries.size >= 26 && ofOwner.size === 3)
  })
}

test('every line of the log is one JSON object with level and time, and none was written by somebody else', () => {
  const lines = told.log.trimEnd().split('\n')
  assert.ok(lines.length > 20)
  for (const line of lines) {
    const entry = JSON.parse(line)
    assert.equal(typeof entry.level, 'number', line)
    assert.match(entry.time, /^\d{4}-\d\d-\d\dT.*Z$/, line)
    assert.equal(entry.forged, undefined, line)
  }
  assert.ok(!told.log.includes('\u001b') && !told.log.includes('\r'))
})
