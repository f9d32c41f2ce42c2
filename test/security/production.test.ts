/** What production refuses at boot (API8:2023, security misconfiguration): each with the name of its setting, all at once, and no secret said. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { ConfigInvalid, readConfig } from '#platform/config.ts'
import { type Certificates, issue, makeCertificates } from '../support/certificates.ts'

const good = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://shop:5Zr0vQ2mW8@db.example/shop?sslmode=verify-full',
  ISSUER_URL: 'https://id.example/realms/shop',
  SIGNING_KEY_SECRET: 'k7Vf2Qp9Lx4Zt8Wm1Rb6Yc3Nd5Hs0Jg=',
  EVENT_SIGNATURES: 'product.events=require,order.events=warn,user.events=warn',
  USER_CHECKS: 'off'
}
type Settings = Record<string, string | undefined>

function faultsOf(settings: Settings): string[] {
  try {
    readConfig({ ...good, ...settings })
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigInvalid)
    return error.message.split('\n').filter(line => line.startsWith('  - '))
  }
}

const CANARY = 'C4n4ry-9f3b-secret'

/** What is set, and the setting that the one fault is to name. */
const refused: Record<string, [settings: Settings, named: string]> = {
  'no database': [{ DATABASE_URL: undefined }, 'DATABASE_URL'],
  'no issuer': [{ ISSUER_URL: undefined }, 'ISSUER_URL'],
  'no secret for keys': [{ SIGNING_KEY_SECRET: undefined }, 'SIGNING_KEY_SECRET'],
  'no choice about signatures': [{ EVENT_SIGNATURES: undefined }, 'EVENT_SIGNATURES'],
  'no choice about users': [{ USER_CHECKS: undefined }, 'USER_CHECKS'],
  'a short secret': [{ SIGNING_KEY_SECRET: 'k7Vf2Qp9Lx4Zt8Wm1Rb6Yc3Nd5H' }, 'SIGNING_KEY_SECRET'],
  'a short old secret': [{ SIGNING_KEY_SECRET: `${good.SIGNING_KEY_SECRET},k7Vf2Qp9Lx4Zt` }, 'SIGNING_KEY_SECRET'],
  'a secret of one character': [{ SIGNING_KEY_SECRET: 'a'.repeat(40) }, 'SIGNING_KEY_SECRET'],
  'a secret of few characters': [{ SIGNING_KEY_SECRET: 'abcabcacbbacbcaabcbacbabcabcbacba' }, 'SIGNING_KEY_SECRET'],
  'a secret that repeats': [{ SIGNING_KEY_SECRET: 'a1b2c3d4e5f6g7'.repeat(3) }, 'SIGNING_KEY_SECRET'],
  'a placeholder': [{ SIGNING_KEY_SECRET: 'please-change-me-0123456789abcdef' }, 'SIGNING_KEY_SECRET'],
  'a placeholder of a template': [{ SIGNING_KEY_SECRET: '<your secret of 32 characters and more>' }, 'SIGNING_KEY_SECRET'],
  'a development client': [{ CLIENT_SECRET: 'order-service-secret' }, 'CLIENT_SECRET'],
  'a development secret elsewhere': [{ BROKER_PASSWORD: 'admin-secret' }, 'BROKER_PASSWORD'],
  'a guessed password of the broker': [{ BROKER_PASSWORD: 'guest' }, 'BROKER_PASSWORD'],
  'guest at the broker': [{ BROKER_URL: 'amqps://guest:guest@mq.example' }, 'BROKER_URL'],
  'a guessed password of the database': [
    { DATABASE_URL: 'postgres://postgres:postgres@db.example/shop?sslmode=verify-full' },
    'DATABASE_URL'
  ],
  'the same, written otherwise': [
    { DATABASE_URL: 'postgres://postgres:p%6fstgres@db.example/shop?sslmode=verify-full' },
    'DATABASE_URL'
  ],
  'a plain issuer': [{ ISSUER_URL: 'http://id.example/realms/shop' }, 'ISSUER_URL'],
  'plain keys of an issuer': [{ JWKS_URL: 'http://id.example/keys' }, 'JWKS_URL'],
  'a plain issuer among several': [{ ISSUERS: '[{"url":"http://other.example/realms/shop"}]' }, 'ISSUERS[0].url'],
  'a plain public address': [{ PUBLIC_URL: 'http://shop.example' }, 'PUBLIC_URL'],
  'a plain collector of traces': [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://otel.example:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
  'a plain service': [{ ORDER_SERVICE_URL: 'http://order.example/v1' }, 'ORDER_SERVICE_URL'],
  'a plain place for tokens': [{ TOKEN_URL: 'http://id.example/token' }, 'TOKEN_URL'],
  'plain keys of a publisher': [{ EVENT_SOURCES: '/order-service=http://order.example/jwks.json' }, 'EVENT_SOURCES'],
  'listening to everybody without TLS': [{ HOST: '0.0.0.0' }, 'HOST'],
  'listening to everybody over IPv6 without TLS': [{ HOST: '::' }, 'HOST'],
  'a database without TLS': [{ DATABASE_URL: 'postgres://u:5Zr0vQ2mW8@db.example/shop' }, 'DATABASE_URL'],
  'a database that is not verified': [
    { DATABASE_URL: 'postgres://u:5Zr0vQ2mW8@db.example/shop?sslmode=no-verify' },
    'DATABASE_URL'
  ],
  'a database verified by what require happens to mean': [
    { DATABASE_URL: 'postgres://u:5Zr0vQ2mW8@db.example/shop?sslmode=require' },
    'DATABASE_URL'
  ],
  'a database that is verified at first': [
    { DATABASE_URL: 'postgres://u:5Zr0vQ2mW8@db.example/shop?sslmode=verify-full&sslmode=no-verify' },
    'DATABASE_URL'
  ],
  'a database elsewhere than its address says': [
    { DATABASE_URL: 'postgres://u:5Zr0vQ2mW8@localhost/shop?host=db.example' },
    'DATABASE_URL'
  ],
  'a broker without TLS': [{ BROKER_URL: 'amqp://shop:5Zr0vQ2mW8@mq.example' }, 'BROKER_URL'],
  'one of several brokers elsewhere, without TLS': [{ BROKER_URL: 'kafka://localhost:9092,kafka.example:9092' }, 'BROKER_URL'],
  'a broker in a database without TLS': [{ BROKER_URL: 'postgres://u:5Zr0vQ2mW8@db.example/shop' }, 'BROKER_URL'],
  'faults for tests': [{ EVENT_FAULTS: 'shuffle' }, 'EVENT_FAULTS'],
  'failpoints for tests': [{ FAILPOINTS: 'outlet.after-publish=kill@3' }, 'FAILPOINTS'],
  'webhooks without TLS': [{ WEBHOOK_ALLOW_HTTP: 'true' }, 'WEBHOOK_ALLOW_HTTP'],
  'webhooks to this machine and what is around it': [{ WEBHOOK_ALLOW_PRIVATE: '1' }, 'WEBHOOK_ALLOW_PRIVATE'],
  'pages from anywhere': [{ CORS_ORIGINS: '*' }, 'CORS_ORIGINS'],
  'pages that anybody can change on their way': [{ CORS_ORIGINS: 'http://shop.example' }, 'CORS_ORIGINS'],
  'every certificate believed': [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, 'NODE_TLS_REJECT_UNAUTHORIZED'],
  'a lenient parser': [{ NODE_OPTIONS: '--max-old-space-size=512 --insecure-http-parser' }, 'NODE_OPTIONS'],
  'a debugger': [{ NODE_OPTIONS: '--inspect=0.0.0.0:9229' }, 'NODE_OPTIONS'],
  'broken TLS': [{ NODE_OPTIONS: '--tls-min-v1.0' }, 'NODE_OPTIONS'],
  'half a certificate': [{ TLS_CERT: 'x' }, 'TLS_KEY'],
  'no certificate at all': [{ TLS_CERT: 'x', TLS_KEY: 'y' }, 'TLS_CERT'],
  'clients asked for certificates of nobody': [{ TLS_CLIENT_AUTH: 'require' }, 'TLS_CLIENT_CA'],
  'an authority that is none': [{ TLS_CA: 'x' }, 'TLS_CA'],
  'a file that is not there': [{ TLS_CA_FILE: '/nowhere/ca.pem' }, 'TLS_CA_FILE'],
  'a folder for a file': [{ SIGNING_KEY_SECRET: undefined, SIGNING_KEY_SECRET_FILE: tmpdir() }, 'SIGNING_KEY_SECRET_FILE'],
  'a secret said twice': [{ BROKER_PASSWORD: CANARY, BROKER_PASSWORD_FILE: import.meta.filename }, 'BROKER_PASSWORD'],
  'a word that is no number': [{ PORT: 'http' }, 'PORT'],
  'a word that is no choice': [{ LOG_FORMAT: 'maybe' }, 'LOG_FORMAT']
}

describe('production', () => {
  test('starts with sound settings', () => assert.deepEqual(faultsOf({}), []))

  for (const [name, [settings, named]] of Object.entries(refused)) {
    test(`refuses ${name}`, () => {
      const faults = faultsOf(settings)
      const others = faults.filter(fault => !fault.startsWith(`  - ${named}: `) && !fault.startsWith(`  - ${named}_FILE: `))
      assert.ok(
        faults.some(fault => fault.startsWith(`  - ${named}: `)),
        faults.join('\n')
      )
      // A missing value is missed by what needs it too.
      if (!(named in settings && settings[named] === undefined) && !named.endsWith('_FILE')) assert.deepEqual(others, [])
      for (const secret of ['5Zr0vQ2mW8', CANARY, 'k7Vf2Qp9', 'order-service-secret']) assert.ok(!faults.join().includes(secret))
    })
  }

  test('takes what only this machine can read, and what is allowed by its name', () => {
    const local: Settings[] = [
      { DATABASE_URL: 'postgres://u:5Zr0vQ2mW8@127.0.0.1:5432/shop' },
      { DATABASE_URL: 'postgres://u:5Zr0vQ2mW8@[::1]/shop' },
      { DATABASE_URL: 'postgres://u:5Zr0vQ2mW8@localhost/shop?host=/run/postgresql' },
      { BROKER_URL: 'amqp://shop:5Zr0vQ2mW8@localhost' },
      { BROKER_URL: 'kafka://localhost:9092,127.0.0.1:9093' },
      { ISSUER_URL: 'http://127.0.0.1:8080/oauth', ORDER_SERVICE_URL: 'http://localhost:8081/v1' },
      { HOST: '0.0.0.0', PLAINTEXT_ALLOWED: 'listener' },
      { DATABASE_URL: 'postgres://u:5Zr0vQ2mW8@db.example/shop', PLAINTEXT_ALLOWED: 'listener,database' },
      { BROKER_URL: 'kafka://kafka.example:9092', PLAINTEXT_ALLOWED: 'broker' },
      { ORDER_SERVICE_URL: 'http://order.example/v1', PLAINTEXT_ALLOWED: 'services' }
    ]
    for (const settings of local) assert.deepEqual(faultsOf(settings), [], JSON.stringify(settings))
    assert.equal(faultsOf({ HOST: '0.0.0.0', PLAINTEXT_ALLOWED: 'database' }).length, 1)
    assert.equal(faultsOf({ ISSUER_URL: 'http://id.example', PLAINTEXT_ALLOWED: 'services,listener' }).length, 1)
  })
})

describe('the program', () => {
  let folder: string
  let certificates: Certificates
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'check-config-'))
    certificates = await makeCertificates(folder)
  })
  after(() => rm(folder, { recursive: true, force: true }))

  /** Runs it with nothing of our own environment but what starting takes. */
  async function run(settings: Settings, ...words: string[]) {
    const { PATH, HOME } = process.env
    const child = spawn(process.execPath, ['src/main.ts', ...words], {
      env: { PATH, HOME, ...good, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 150_000
    })
    const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
    const [out, error, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    return { out, error, code }
  }

  test('says every fault at once and ends with 78, before it opens anything', async () => {
    const { code, error } = await run({
      HOST: '0.0.0.0',
      DATABASE_URL: '',
      ISSUER_URL: 'http://id.example',
      FAILPOINTS: 'x=kill@1'
    })
    assert.equal(code, 78, error)
    for (const name of ['HOST', 'DATABASE_URL', 'ISSUER_URL', 'FAILPOINTS']) assert.match(error, new RegExp(`^  - ${name}: `, 'm'))
    assert.doesNotMatch(error, /at .*\.ts:\d+/)
  })

  test('only checks the settings with --check-config, certificates included', async () => {
    const { files } = certificates
    const tls = { HOST: '0.0.0.0', TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key }
    const checked = await run(tls, 'product', '--check-config')
    assert.deepEqual([checked.code, checked.error], [0, ''])
    assert.match(checked.out, /^The configuration is good for product\.api, /)
    const late = await issue(folder, 'late', 'server', true)
    const expired = await run({ ...tls, TLS_CERT_FILE: late.files.cert, TLS_KEY_FILE: late.files.key }, '--check-config')
    assert.equal(expired.code, 78)
    assert.match(expired.error, /TLS_CERT: CN=late was valid until /)
    await writeFile(join(folder, 'other.key'), certificates.client.key)
    const foreign = await run({ ...tls, TLS_KEY_FILE: join(folder, 'other.key') }, '--check-config')
    assert.match(foreign.error, /TLS_KEY: does not go with TLS_CERT/)
    assert.doesNotMatch(foreign.error, /PRIVATE KEY/)
  })
})
