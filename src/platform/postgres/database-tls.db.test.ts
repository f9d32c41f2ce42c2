/** TLS to a real PostgreSQL: every connection of ours is encrypted, and no server is believed that our authority does not vouch for. */
import assert from 'node:assert/strict'
import { chmod, chown, copyFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { inspect } from 'node:util'
import pg from 'pg'
import { until } from '#broker/conformance-kit.ts'
import { openPostgresBroker } from '#broker/postgres.ts'
import { type Certificates, issue, makeCertificates } from '../../../test/support/certificates.ts'
import { type CrashablePostgres, startCrashablePostgres } from '../../../test/support/postgres-crashable.ts'
import { userService } from '../../services/user/service.ts'
import { readConfig } from '../config.ts'
import { openLog } from '../log.ts'
import { trust } from '../tls/tls-outgoing.ts'
import { openDatabase } from './database.ts'
import { migrate } from './migrate.ts'

const log = openLog(readConfig({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' }))
let folder: string
let certificates: Certificates
let server: CrashablePostgres
let admin: pg.Client

/** Has the server show another certificate; the files are its own, as it demands. */
async function show(files: { cert: string; key: string }): Promise<void> {
  const { data_directory: data } = (await admin.query('show data_directory')).rows[0]
  const { uid, gid } = await stat(data)
  for (const [from, to] of [
    [files.cert, join(data, 'server.crt')],
    [files.key, join(data, 'server.key')]
  ] as const) {
    await copyFile(from, to)
    await chmod(to, 0o600)
    await chown(to, uid, gid)
  }
  await admin.query('alter system set ssl = on')
  await admin.query('select pg_reload_conf()')
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'database-tls-'))
  certificates = await makeCertificates(folder)
  server = await startCrashablePostgres()
  admin = new pg.Client(server.url)
  await admin.connect()
  await show(certificates.files)
  await until('the server speaks TLS', () =>
    encrypted(server.url, `sslmode=verify-full&sslrootcert=${certificates.files.ca}`).then(
      () => true,
      () => false
    )
  )
})
after(async () => {
  await admin?.end()
  await server?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Connects as a service does, and gives back what the server knows of the connection. */
async function encrypted(url: string, parameters: string): Promise<{ ssl: boolean; version: string | null }> {
  await using database = openDatabase({ url: `${url}?${parameters}`, schema: 'public', poolSize: 1, log })
  const [row] = await database.query<{ ssl: boolean; version: string | null }>(
    'select ssl, version from pg_stat_ssl where pid = pg_backend_pid()'
  )
  return row!
}

const verified = () => `sslmode=verify-full&sslrootcert=${encodeURIComponent(certificates.files.ca)}`
const refusal = async (parameters: string): Promise<string> => {
  try {
    await encrypted(server.url, parameters)
  } catch (error) {
    return inspect(error, { depth: 5 })
  }
  return 'it was let in'
}

test('a connection with sslmode=verify-full is encrypted, for an authority that sslrootcert names', async () => {
  assert.deepEqual(await encrypted(server.url, verified()), { ssl: true, version: 'TLSv1.3' })
  assert.equal((await encrypted(server.url, 'sslmode=disable')).ssl, false)
})

test('the role that a service gets, and the broker, connect as the address says', async () => {
  const url = `${server.url}?${verified()}`
  const own = await migrate(url, userService, log)
  await using database = openDatabase({ url: own, schema: 'user', poolSize: 1, log })
  await using _ = await openPostgresBroker({ url, applicationName: 'broker of a test' })
  await database.query('select 1')
  const { rows } = await admin.query(
    `select distinct application_name, ssl from pg_stat_ssl join pg_stat_activity using (pid)
     where application_name in ('user.pool', 'broker of a test') order by application_name`
  )
  assert.deepEqual(rows, [
    { application_name: 'broker of a test', ssl: true },
    { application_name: 'user.pool', ssl: true }
  ])
})

test('a server whose authority nobody has named is not spoken to, whatever the kind of verification', async () => {
  for (const mode of ['verify-full', 'verify-ca', 'require', 'prefer'])
    assert.match(await refusal(`sslmode=${mode}`), /unable to verify|self-signed/, mode)
})

test('an authority that the process trusts needs no sslrootcert', async () => {
  trust(certificates.ca)
  assert.equal((await encrypted(server.url, 'sslmode=verify-full')).ssl, true)
  trust()
})

test('a server that shows a certificate for another address, or one that has expired, is not spoken to', async () => {
  await show((await issue(folder, 'elsewhere', 'elsewhere')).files)
  await until('its other certificate is shown', async () => /does not match|altnames/.test(await refusal(verified())))
  await show((await issue(folder, 'late', 'server', true)).files)
  await until('its late certificate is shown', async () => /expired/.test(await refusal(verified())))
  await show(certificates.files)
  await until('its own certificate is shown again', async () => (await refusal(verified())) === 'it was let in')
})
