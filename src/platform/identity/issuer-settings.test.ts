import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ConfigInvalid, readConfig } from '../config.ts'
import { trustedIssuers } from './issuers.ts'

const development = { url: 'http://localhost:8080/oauth', keysUrl: () => 'http://localhost:1/oauth/jwks' }

function faultsIn(environment: Record<string, string>): string[] {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigInvalid)
    return error.message.split('\n').flatMap(line => (line.startsWith('  - ') ? [line.slice(4)] : []))
  }
}

describe('the issuers of the settings', () => {
  test('are our own where nothing is said, with its keys beside it', () => {
    const [own, ...more] = trustedIssuers(readConfig({}), development)
    assert.deepEqual(
      [own?.url, own?.keysUrl?.(), own?.audiences, more.length],
      [development.url, development.keysUrl(), ['urn:product-service'], 0]
    )
  })

  test('are one of three variables, whose keys its metadata knows, or a fourth', () => {
    const settings = { ISSUER_URL: 'https://id.example/realms/shop', AUDIENCE: 'shop', ISSUER_PRESET: 'keycloak' }
    const [one] = trustedIssuers(readConfig(settings), development)
    assert.deepEqual(
      [one?.url, one?.audiences, one?.keysUrl, one?.form.types],
      [settings.ISSUER_URL, ['shop'], undefined, ['jwt', 'at+jwt']]
    )
    const [told] = trustedIssuers(readConfig({ ...settings, JWKS_URL: 'https://id.example/keys' }), development)
    assert.equal(told?.keysUrl?.(), 'https://id.example/keys')
  })

  test('are any number from a file, each as its preset has it and as it says otherwise', t => {
    const folder = mkdtempSync(join(tmpdir(), 'issuers-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'issuers.json')
    const written = [
      { url: 'https://a.example', preset: 'keycloak' },
      {
        url: 'https://b.example/',
        audience: ['b', 'c'],
        algorithms: ['Ed25519', 'ES256'],
        leewaySeconds: 5,
        claims: { roles: ['groups'], scopePrefix: 'shop/' }
      }
    ]
    writeFileSync(file, JSON.stringify(written))
    const [first, second, third] = trustedIssuers(
      readConfig({ ISSUERS_FILE: file, ISSUER_URL: 'https://main.example' }),
      development
    )
    assert.deepEqual([first?.url, second?.url, third?.url], ['https://main.example', 'https://a.example', 'https://b.example/'])
    assert.deepEqual([second?.audiences, second?.form.needs], [['urn:product-service'], { typ: 'Bearer' }])
    assert.deepEqual([third?.audiences, third?.leewaySeconds, third?.form.algorithms], [['b', 'c'], 5, ['EdDSA', 'ES256']])
    assert.deepEqual(
      [third?.form.claims.roles, third?.form.claims.scopePrefix, third?.form.claims.scopes],
      [['groups'], 'shop/', ['scope']]
    )
  })

  test('are refused at the start with every fault at its place', () => {
    const wrong = [
      { preset: 'keycloak' },
      { url: 'id.example', preset: 'okto', audience: [], algorithms: ['HS256', 'none'], leewaySeconds: 61 },
      { url: 'https://id.example?x=1', jwksUrl: 'file:///etc/passwd', claims: { role: 'x', roles: 7 }, realm: 'x' },
      7,
      { url: 'https://a.example', introspection: { url: 'x', clientId: '', secret: 'told to nobody' } },
      { url: 'https://b.example', introspection: 'https://b.example/introspect' }
    ]
    const faults = faultsIn({ ISSUERS: JSON.stringify(wrong) })
    const places = [
      '[0].url: is missing',
      '[1].url: must',
      '[1].preset: must be one of rfc9068, keycloak',
      '[1].audience:',
      '[1].algorithms: HS256, none cannot be'
    ]
    const more = [
      '[1].leewaySeconds: must be a whole number of seconds, at most 60',
      '[2].url:',
      '[2].jwksUrl:',
      '[2].realm: is not known',
      '[2].claims.role: is not known',
      '[2].claims.roles:',
      '[3]: must be an object',
      '[4].introspection.clientSecret: is missing',
      '[4].introspection.url: must be an http(s) URL',
      '[4].introspection.clientId: must be a text',
      '[4].introspection.secret: is not known',
      '[5].introspection: must be an object',
      ': introspection can be of one issuer only'
    ]
    for (const place of [...places, ...more])
      assert.ok(
        faults.some(fault => fault.startsWith(`ISSUERS${place}`)),
        `${place} in ${faults.join('\n')}`
      )
    assert.equal(faults.length, places.length + more.length, faults.join('\n'))
  })

  test('are refused when they are no list, or one is there twice, or a preset has no issuer', () => {
    for (const ISSUERS of ['{}', '[]', 'https://id.example', '[{'])
      assert.match(faultsIn({ ISSUERS }).join(), /^ISSUERS: must be a JSON array/)
    const twice = { ISSUER_URL: 'https://id.example', ISSUERS: '[{"url":"https://id.example"}]' }
    assert.deepEqual(faultsIn(twice), ['ISSUERS: https://id.example is there twice'])
    assert.deepEqual(faultsIn({ ISSUER_PRESET: 'keycloak' }), ['ISSUER_PRESET: says nothing without ISSUER_URL'])
    assert.match(
      faultsIn({ ISSUER_URL: 'https://id.example', ISSUER_PRESET: 'key-cloak' }).join(),
      /^ISSUER_PRESET: must be equal to one of/
    )
  })

  test('are needed in production, at https', () => {
    const of = (settings: Record<string, string>) =>
      faultsIn({ NODE_ENV: 'production', ...settings }).filter(fault => /ISSUER|JWKS/.test(fault))
    assert.equal(of({}).length, 1)
    assert.deepEqual(of({ ISSUER_URL: 'https://id.example' }), [])
    assert.deepEqual(of({ ISSUERS: '[{"url":"https://id.example"}]' }), [])
    const introspection = { url: 'http://id.example/introspect', clientId: 'us', clientSecret: 'changeme' }
    const plain = of({
      ISSUERS: JSON.stringify([{ url: 'http://id.example', jwksUrl: 'http://id.example/keys', introspection }])
    })
    assert.deepEqual(
      plain.map(fault => fault.split(':')[0]),
      ['ISSUERS', 'ISSUERS[0].url', 'ISSUERS[0].jwksUrl', 'ISSUERS[0].introspection.url']
    )
  })
})
