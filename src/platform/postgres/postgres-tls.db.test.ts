/** A database behind TLS: it is who we know, or nobody. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import pg from 'pg'
import { type Certificates, issue, makeCertificates } from '../../../test/support/certificates.ts'
import { quiet } from '../../../test/support/messaging.ts'
import { type CrashablePostgres, startCrashablePostgres } from '../../../test/support/postgres-crashable.ts'
import { eventually, openWorld } from '../../../test/support/world.ts'
import { trust } from '../tls/tls-outgoing.ts'
import { openDatabase } from './database.ts'

const run = promisify(execFile)
const stack = new AsyncDisposableStack()
let folder: string
let certificates: Certificates
let server: CrashablePostgres

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postgres-tls-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  certificates = await makeCertificates(folder)
  server = stack.use(await startCrashablePostgres())
})
after(async () => {
  await stack.disposeAsync()
  trust()
})

async function asAdmin<Row>(sql: string): Promise<Row[]> {
  const client = new pg.Client(server.url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** The server shows this certificate from now on; without one it speaks no TLS. */
async function show(files: { cert: string; key: string } | undefined): Promise<void> {
  const [at] = await asAdmin<{ data_directory: string }>('show data_directory')
  const place = (name: string) => join(at!.data_directory, name)
  if (files) {
    await copyFile(files.cert, place('server.crt'))
    await copyFile(files.key, place('server.key'))
    // It reads keys of its own only.
    await run('chown', ['--reference', place('PG_VERSION'), place('server.crt'), place('server.key')])
    await run('chmod', ['600', place('server.key')])
  }
  await asAdmin(`alter system set ssl = ${files ? 'on' : 'off'}`)
  await asAdmin('select pg_reload_conf()')
  await eventually(
    () => asAdmin<{ ssl: string }>('show ssl'),
    ([row]) => row!.ssl === (files ? 'on' : 'off')
  )
}

function verifiedUrl(): string {
  const url = new URL(server.url)
  url.hostname = 'localhost'
  url.searchParams.set('sslmode', 'verify-full')
  return url.href
}

/** Whether the server says that this connection is encrypted. */
async function isEncrypted(): Promise<boolean> {
  await using database = openDatabase({ url: verifiedUrl(), schema: 'public', poolSize: 1, log: quiet })
  const [row] = await database.query<{ ssl: boolean }>('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
  return row!.ssl
}

test('a server of an authority that we do not know, of another name, or without TLS gets no password', async () => {
  await show(certificates.files)
  await assert.rejects(isEncrypted(), /verify the first certificate/)
  trust(certificates.ca)
  const { files } = await issue(folder, 'elsewhere', 'elsewhere')
  await show(files)
  await assert.rejects(isEncrypted(), /altnames/)
  await show(undefined)
  await assert.rejects(isEncrypted(), /does not support SSL/)
})

test('a server of our authority is asked over TLS, and everything runs on it, the broker too', { timeout: 120_000 }, async () => {
  trust(certificates.ca)
  await show(certificates.files)
  assert.equal(await isEncrypted(), true)
  await using world = await openWorld()
  const { url } = await world.start([], { DATABASE_URL: verifiedUrl(), TLS_CA_FILE: certificates.files.ca })
  const client = world.client(url)
  const lamp = { title: 'Lamp', status: 'active', variants: [{ sku: 'L', inventory: { onHand: 3 } }] }
  assert.equal((await client.call('POST', '/v1/products', { body: lamp })).status, 201)
  await eventually(
    async () => (await client.call<{ data: unknown[] }>('GET', '/v1/search?q=lamp')).body.data?.length,
    found => found === 1
  )
  const plain = await asAdmin(`select application_name from pg_stat_activity join pg_stat_ssl using (pid)
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' and not ssl`)
  assert.deepEqual(plain, [])
})
