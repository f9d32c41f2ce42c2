import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openDatabase } from '#platform/postgres/database.ts'
import { quiet } from '../support/messaging.ts'
import { eventually, openWorld } from '../support/world.ts'

/** The command as operators call it; its exit code and what it says. */
async function audit(databaseUrl: string, ...args: string[]): Promise<{ code: number; out: string }> {
  const env = { ...process.env, DATABASE_URL: databaseUrl }
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['scripts/audit.ts', ...args], { env })
    return { code: 0, out: stdout }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, out: stdout + stderr }
  }
}

test('a crash before the commit leaves no change and no record; the command tells a whole log from a broken one', {
  timeout: 300_000
}, async () => {
  await using world = await openWorld()
  await using database = openDatabase({ url: world.databaseUrl, schema: 'product', poolSize: 1, log: quiet })
  const counts = async () => {
    const [row] = await database.query<{ categories: number; records: number }>(
      'select (select count(*) from categories) as categories, (select count(*) from audit_records) as records'
    )
    return [row!.categories, row!.records]
  }
  {
    await using running = await world.start([], { FAILPOINTS: 'api.before-commit=kill@1' })
    const client = world.client(running.url)
    await client.call('POST', '/v1/categories', { body: { name: 'Lost' }, signal: AbortSignal.timeout(5000) }).catch(() => {})
    assert.deepEqual(await counts(), [0, 0])
  }
  await using running = await world.start()
  const client = world.client(running.url)
  assert.equal((await client.call('POST', '/v1/categories', { body: { name: 'Kept' } })).status, 201)
  assert.deepEqual(await counts(), [1, 1])
  await eventually(
    () => database.query('select from audit_checkpoints'),
    rows => rows.length > 0
  )
  const whole = await audit(world.databaseUrl, 'verify')
  assert.deepEqual([whole.code, /the audit log is whole/.test(whole.out)], [0, true], whole.out)
  const lines = await audit(world.databaseUrl, 'export')
  assert.equal(lines.code, 0, lines.out)
  assert.equal(JSON.parse(lines.out).operation, 'createCategory')
  assert.equal((await audit(world.databaseUrl, 'verify', '--service', 'nobody')).code, 64)
  assert.equal((await audit(world.databaseUrl, 'burn')).code, 64)

  await database.query('alter table audit_records disable trigger append_only')
  await database.query(`update audit_records set subject = 'somebody else'`)
  const broken = await audit(world.databaseUrl, 'verify')
  assert.equal(broken.code, 1)
  assert.match(broken.out, /position 1: record \d+ is not what was sealed here/)
})
