import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import pg from 'pg'
import { startCollector } from '../support/otlp-collector.ts'
import { createTestDatabase } from '../support/postgres.ts'

/** Every row of every table that there is, of all services, their broker and their audit log. */
async function dump(url: string): Promise<string> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname !~ '^(pg_|information_schema)'`
    )
    const parts: string[] = []
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`)
      parts.push(...rows.map(({ row }) => row))
    }
    return parts.join('\n')
  } finally {
    await client.end()
  }
}

test('the secrets of keys, used well and badly, are in no log, trace, metric, problem or row, whatever is logged', async () => {
  await using database = await createTestDatabase()
  await using collector = await startCollector()
  const settings = {
    DATABASE_URL: database.url,
    PORT: '0',
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'trace',
    SAMPLE_CATALOG: '0',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url
  }
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const output: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk))
  const said: string[] = []
  const secrets: string[] = []
  try {
    let url = ''
    for await (const line of createInterface({ input: child.stdout })) {
      const { msg, url: at } = line.startsWith('{') ? JSON.parse(line) : { msg: '', url: '' }
      if (msg !== 'ready') continue
      url = at
      break
    }
    assert.notEqual(url, '', Buffer.concat(output).toString())
    child.stdout.resume()
    const ask = async (method: string, path: string, headers: Record<string, string>, body?: unknown) => {
      const json = body === undefined ? {} : { 'content-type': 'application/json' }
      const reply = await fetch(url + path, {
        method,
        headers: { ...headers, ...json },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(60_000)
      })
      const text = await reply.text()
      if (reply.status >= 400) said.push(text, JSON.stringify([...reply.headers]))
      return { status: reply.status, body: text.startsWith('{') ? JSON.parse(text) : text }
    }
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'admin', client_secret: 'admin-secret' })
    const token = await fetch(`${url}/oauth/token`, { method: 'POST', body: form, signal: AbortSignal.timeout(60_000) })
    const admin = { authorization: `Bearer ${((await token.json()) as { access_token: string }).access_token}` }
    const keys: string[] = []
    const order = { name: 'Partner', scopes: ['catalog:read', 'catalog:write', 'orders:read'] }
    const created = await ask('POST', '/v1/api-keys', { ...admin, 'idempotency-key': 'k-1' }, order)
    const rotated = await ask('POST', `/v1/api-keys/${created.body.apiKeyId}/rotate`, { ...admin, 'idempotency-key': 'k-2' }, {})
    keys.push(created.body.key, rotated.body.key)
    secrets.push(...keys.map(key => key.split('_')[3]!.slice(0, 32)))

    for (const key of keys) {
      const mistyped = key.slice(0, -1) + (key.endsWith('0') ? '1' : '0')
      const statuses = [
        await ask('GET', '/v1/products', { 'x-api-key': key }),
        await ask('POST', '/v1/products', { 'x-api-key': key }, { title: 'Lamp', variants: [{ sku: key.slice(-7) }] }),
        await ask('GET', '/v1/orders', { 'x-api-key': key }),
        await ask('GET', '/v1/price-lists', { 'x-api-key': mistyped }),
        await ask('POST', '/v1/api-keys', { 'x-api-key': key }, order),
        await ask('GET', '/v1/products', { ...admin, 'x-api-key': key }),
        await ask('GET', '/v1/products', { authorization: `Bearer ${key}` }),
        await ask('GET', `/v1/products?api_key=${key}`, {})
      ].map(({ status }) => status)
      assert.deepEqual(statuses, [200, 201, 200, 401, 403, 400, 401, 401])
    }
    await ask('DELETE', `/v1/api-keys/${created.body.apiKeyId}`, admin)
    said.push((await ask('GET', '/metrics', {})).body)
  } finally {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  const places = {
    logs: Buffer.concat(output).toString(),
    traces: Buffer.concat(collector.bodies).toString('latin1'),
    'problems and metrics': said.join('\n'),
    rows: await dump(database.url)
  }
  assert.match(places.logs, /createApiKey|POST/)
  assert.match(places.traces, /api-keys/)
  assert.match(places['problems and metrics'], /insufficient-scope[\s\S]*process_cpu/)
  assert.match(places.rows, /Partner/)
  for (const secret of secrets) {
    for (const form of [secret, ...(['hex', 'base64', 'base64url'] as const).map(form => Buffer.from(secret).toString(form))]) {
      for (const [place, text] of Object.entries(places)) assert.ok(!text.includes(form), `a secret is in ${place}`)
    }
  }
})
