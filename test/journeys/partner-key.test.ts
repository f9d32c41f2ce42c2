import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openWorld } from '../support/world.ts'

test('a partner’s key goes from creation to revocation as the example shows it', async () => {
  await using world = await openWorld()
  const { url } = await world.start()
  const { stdout } = await promisify(execFile)(process.execPath, ['examples/partner-key.mjs', url], { timeout: 60_000 })
  assert.deepEqual(stdout.trim().split('\n'), [
    'created 201 psk_dev',
    'asked again 201 the same null',
    'reads 200',
    'writes 403',
    'gives out keys 403',
    'rotated 200 old 200 new 200',
    'old secret refused within five seconds new 200',
    'last used just now',
    'revoked, refused within five seconds'
  ])
})
