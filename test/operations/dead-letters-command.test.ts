/** `npm run dead-letters`, as people run it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, test } from 'node:test'
import { OrderConfirmed } from '#contracts/events/order-events.ts'
import { readArguments } from '../../scripts/dead-letters/arguments.ts'
import { run } from '../../scripts/dead-letters/run.ts'
import { productService } from '../../src/services/product/service.ts'
import { type RunningService, runService } from '../support/service.ts'

let service: RunningService
let issuer: Server

before(async () => {
  service = await runService(productService)
  issuer = createServer((_request, response) => response.end(JSON.stringify({ access_token: 'anybody', expires_in: 3600 })))
  await once(issuer.listen(0, '127.0.0.1'), 'listening')
})
after(async () => {
  issuer.close()
  await service[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await service.database.query('delete from dead_letters')
  for (const orderId of ['o-1', 'o-2', 'o-3']) await service.deliver(OrderConfirmed, { orderId, items: 'many' })
})

const environment = (env: Record<string, string>) => ({
  TOKEN_URL: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/token`,
  ...env
})

/** As the command does. */
async function command(args: readonly string[], env: Record<string, string> = {}): Promise<{ all: boolean; out: string }> {
  const out = new PassThrough()
  const all = await run(readArguments(['--url', service.url, ...args], environment(env)), out)
  out.end()
  return { all, out: await text(out) }
}

/** Somebody mends the message, as nobody can over HTTP. */
const mend = (orderId: string) =>
  service.database.query(
    `update dead_letters set body = convert_to(replace(convert_from(body, 'UTF8'), '"many"', '[{"variantId":"v-1","quantity":1}]'), 'UTF8')
     where key = $1`,
    [orderId]
  )
const idOf = async (orderId: string) =>
  (await service.database.query<{ id: string }>('select dead_letter_id as id from dead_letters where key = $1', [orderId]))[0]!.id

test('they are listed as a table, or a line of JSON each; one is shown with all that is known of it', async () => {
  const listed = await command(['list', '--reason', 'schema-invalid', '--limit', '2'])
  assert.equal(listed.all, true)
  const [titles, first, second, ...rest] = listed.out.trimEnd().split('\n')
  assert.match(titles!, /^ID +RECEIVED +CONSUMER +EVENT +KEY +REASON +TRIES +LAST ERROR$/)
  assert.match(first!, /^[0-9a-f-]{36} .* product\.order-events +OrderConfirmed +o-1 +schema-invalid +1 +.*items/)
  assert.match(second!, / o-2 /)
  assert.deepEqual(rest, ['… and more: --limit says how many', 'npm run dead-letters -- show ID has everything of one'])
  const json = await command(['list', '--key', 'o-3', '--json'])
  assert.equal(JSON.parse(json.out).key, 'o-3')
  assert.match((await command(['list', '--key', 'nobody'])).out, /There are no open dead letters that match/)
  const shown = await command(['show', await idOf('o-1')])
  assert.match(shown.out, /^reason +schema-invalid$/m)
  assert.match(shown.out, /^body \(\d+ bytes, utf-8\)\n\{\n {2}"eventId"/m)
})

test('those that match are replayed; what fails again is told by the exit code, and stays', async () => {
  const dryRun = await command(['replay', '--consumer', 'product.order-events', '--dry-run'])
  assert.equal(dryRun.all, true)
  assert.match(dryRun.out, /^Dry run: 3 would be replayed\nCOUNT .*\n3 +product\.order-events +OrderConfirmed +schema-invalid/)
  await mend('o-2')
  const some = await command(['replay', '--all'])
  assert.deepEqual([some.all, some.out.split('\n')[0]], [false, '1 replayed, 2 failed again, 0 left out'])
  await mend('o-1')
  const one = await command(['replay', await idOf('o-1')])
  assert.deepEqual([one.all, one.out], [true, `${await idOf('o-1')} is replayed\n`])
  await assert.rejects(command(['replay', await idOf('o-1')]), { message: /replayed already\nOnly open ones/ })
  const json = await command(['replay', '--key', 'o-3', '--json'])
  assert.partialDeepStrictEqual(JSON.parse(json.out), { matched: 1, replayed: 0, failed: 1, next: null })
})

test('those that match are discarded with a note', async () => {
  const some = await command(['discard', '--key', 'o-1', '--note', 'a test order'])
  assert.deepEqual([some.all, some.out], [true, '1 discarded\n'])
  const one = await command(['discard', await idOf('o-2'), '--note', 'another'])
  assert.deepEqual([one.all, one.out], [true, `${await idOf('o-2')} is discarded\n`])
  const listed = await command(['list', '--status', 'discarded', '--json'])
  assert.deepEqual(
    listed.out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).note),
    ['a test order', 'another']
  )
})

test('what cannot be done is said, with what can', async () => {
  const refused: [args: string[], says: RegExp, env?: Record<string, string>][] = [
    [[], /^Usage/],
    [['mend'], /^Usage/],
    [['replay'], /Say which/],
    [['replay', 'x', '--all'], /Either ids or filters/],
    [['discard', '--key', 'o-1'], /Say with --note why/],
    [['list', '--status', 'gone'], /--status is one of/],
    [['show'], /takes one id/],
    [['show', '019abf2b-0000-7000-8000-000000000000'], /\(404\).*\n.*list has the ids/],
    [['show', 'x'], /\(400\)/],
    [['list', '--url', 'http://127.0.0.1:1'], /Nothing answers at http:\/\/127\.0\.0\.1:1\. Start it with npm start/],
    [['list'], /Set CLIENT_ID and CLIENT_SECRET/, { TOKEN_URL: `${service.url}/nowhere` }]
  ]
  for (const [args, says, env] of refused) await assert.rejects(command(args, env), { message: says })
})

test('its exit code says how it went', { timeout: 240_000 }, async () => {
  await mend('o-1')
  for (const [args, code] of [
    [['replay', '--key', 'o-1'], 0],
    [['replay', '--all'], 2],
    [['show', 'x'], 1],
    [['show'], 64]
  ] as const) {
    const child = spawn(process.execPath, ['scripts/dead-letters.ts', '--url', service.url, ...args], {
      env: { ...process.env, ...environment({}) },
      stdio: ['ignore', 'ignore', 'pipe']
    })
    const [said] = await Promise.all([text(child.stderr), once(child, 'close')])
    assert.deepEqual([child.exitCode, said === ''], [code, code === 0 || code === 2])
  }
})
