import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { after, beforeEach, suite, test } from 'node:test'
import { calculateJwkThumbprint } from 'jose'
import { openMessaging, openTested } from '../../../test/support/messaging.ts'
import { eventually } from '../../../test/support/world.ts'
import type { Database } from '../postgres/database.ts'
import { openSealing } from './sealing.ts'
import {
  LEAD_SECONDS,
  readActiveKey,
  readPublicKeys,
  readSigningKeys,
  revokeSigningKey,
  rotateSigningKey,
  tidySigningKeys
} from './signing-keys.ts'

const tested = await openMessaging()
const { database, admin } = tested
after(() => tested[Symbol.asyncDispose]())
beforeEach(() => database.query('truncate signing_keys'))

const sealing = openSealing('a secret of thirty-two characters or more')
const RETENTION_DAYS = 90
const DAY_SECONDS = 86_400

const states = async () => (await readSigningKeys(database)).toReversed().map(({ kid, state }) => [kid, state])
const published = async () => (await readPublicKeys(database, RETENTION_DAYS)).map(({ kid }) => kid)
const active = async () => (await readActiveKey(database, sealing)).kid
const rotate = async () => (await rotateSigningKey(database, sealing)).kid
/** As if the clock of the database went on. */
const pass = (seconds: number) =>
  database.query(
    `update signing_keys set created_at = created_at - make_interval(secs => $1), active_from = active_from - make_interval(secs => $1),
       revoked_at = revoked_at - make_interval(secs => $1)`,
    [seconds]
  )

test('the first key is made once, however many processes ask for it at once', async () => {
  await using other = openTested(tested.url, 8)
  const atOnce = <Result>(ask: (from: Database) => Promise<Result>) =>
    Promise.all(Array.from({ length: 16 }, (_, n) => ask(n % 2 ? database : other)))
  // Whoever had to connect first would come late.
  await atOnce(each => each.query('select pg_sleep(0.2)'))
  for (let round = 0; round < 5; round++) {
    await database.query('truncate signing_keys')
    const asked = await atOnce(each => readActiveKey(each, sealing))
    assert.equal(new Set(asked.map(({ kid }) => kid)).size, 1)
    assert.deepEqual(await states(), [[asked[0]!.kid, 'active']])
  }
})

test('a key is named by the thumbprint of its public part, and published without its private one', async () => {
  const { kid, pkcs8 } = await readActiveKey(database, sealing)
  const [key, ...others] = await readPublicKeys(database, RETENTION_DAYS)
  assert.deepEqual([others, Object.keys(key!).sort()], [[], ['alg', 'crv', 'kid', 'kty', 'use', 'x']])
  assert.deepEqual([key!.kid, await calculateJwkThumbprint(key!)], [kid, kid])
  assert.equal(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' }).x, key!.x)
})

suite('a rotation', () => {
  test('publishes a key twice as long as a key set is kept before it signs, and goes on by the clock alone', async () => {
    const first = await active()
    const second = await rotate()
    assert.deepEqual(
      [await states(), await active()],
      [
        [
          [first, 'active'],
          [second, 'next']
        ],
        first
      ]
    )
    assert.deepEqual((await published()).toSorted(), [first, second].toSorted())
    await pass(LEAD_SECONDS - 60)
    assert.equal(await active(), first)
    await pass(61)
    assert.deepEqual(
      [await states(), await active()],
      [
        [
          [first, 'retired'],
          [second, 'active']
        ],
        second
      ]
    )
    assert.deepEqual((await published()).toSorted(), [first, second].toSorted())
  })

  test('is one, though two processes begin it at once', async () => {
    await active()
    await using other = openTested(tested.url, 4)
    const begun = await Promise.all([database, other, database, other].map(each => rotateSigningKey(each, sealing)))
    assert.equal(new Set(begun.map(({ kid }) => kid)).size, 1)
    assert.deepEqual(begun.map(({ made }) => made).toSorted(), [false, false, false, true])
    assert.deepEqual(
      (await states()).map(([, state]) => state),
      ['active', 'next']
    )
  })

  test('leaves nothing behind, and nobody waiting, when its process dies in the middle of it', async () => {
    const first = await active()
    await using dying = openTested(`${tested.url}?application_name=dying`, 1)
    // The key is made and locked in; what is left is to write it and to commit.
    await admin.transact(async tx => {
      await tx.query('lock table signing_keys in share row exclusive mode')
      const died = assert.rejects(rotateSigningKey(dying, sealing))
      const waits = `select pid from pg_stat_activity where application_name = 'dying' and wait_event_type = 'Lock'`
      await eventually(
        () => admin.query(waits),
        rows => rows.length === 1
      )
      await admin.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'dying'`)
      await died
    })
    assert.deepEqual(await states(), [[first, 'active']])
    const second = await rotate()
    assert.deepEqual(await states(), [
      [first, 'active'],
      [second, 'next']
    ])
  })

  test('keeps the old key published for what brokers and dead letters hold, and forgets it afterwards', async () => {
    const first = await active()
    const second = await rotate()
    const erased = async () =>
      (await database.query<{ kid: string }>('select kid from signing_keys where private_key is null')).map(({ kid }) => kid)
    await pass(LEAD_SECONDS + 10)
    assert.equal(await tidySigningKeys(database, RETENTION_DAYS), 0)
    await pass(60)
    assert.deepEqual([await tidySigningKeys(database, RETENTION_DAYS), await erased()], [1, [first]])
    await pass(RETENTION_DAYS * DAY_SECONDS - 3600)
    assert.deepEqual((await published()).toSorted(), [first, second].toSorted())
    await pass(3600)
    assert.deepEqual(
      [await published(), await states()],
      [
        [second],
        [
          [first, 'retired'],
          [second, 'active']
        ]
      ]
    )
    assert.deepEqual([await tidySigningKeys(database, RETENTION_DAYS), await states()], [1, [[second, 'active']]])
  })
})

suite('a key that is revoked', () => {
  test('is published no more from then on, and its private part is gone', async () => {
    const first = await active()
    const second = await rotate()
    await pass(LEAD_SECONDS + 1)
    assert.deepEqual(await revokeSigningKey(database, sealing, first), { active: second })
    assert.deepEqual(
      [await published(), await states()],
      [
        [second],
        [
          [first, 'revoked'],
          [second, 'active']
        ]
      ]
    )
    assert.deepEqual(await database.query('select kid from signing_keys where private_key is not null'), [{ kid: second }])
  })

  test('hands over at once to the next, which was published already', async () => {
    const first = await active()
    const second = await rotate()
    await revokeSigningKey(database, sealing, first)
    assert.deepEqual(
      [await active(), await states()],
      [
        second,
        [
          [first, 'revoked'],
          [second, 'active']
        ]
      ]
    )
  })

  test('hands over to a new one when there is no next: one that has retired never comes back', async () => {
    const first = await active()
    const second = await rotate()
    await pass(LEAD_SECONDS + 1)
    const { active: third } = (await revokeSigningKey(database, sealing, second))!
    assert.deepEqual(await states(), [
      [first, 'retired'],
      [second, 'revoked'],
      [third, 'active']
    ])
    assert.deepEqual([await active(), await published()], [third, [third, first]])
  })

  test('before it was ever active, leaves the active one as it is', async () => {
    const first = await active()
    const second = await rotate()
    assert.deepEqual(await revokeSigningKey(database, sealing, second), { active: first })
    await pass(LEAD_SECONDS + 1)
    assert.deepEqual(
      [await active(), await states()],
      [
        first,
        [
          [first, 'active'],
          [second, 'revoked']
        ]
      ]
    )
  })

  test('stays revoked when it is revoked again; one that there never was is nobody’s', async () => {
    const first = await active()
    const { active: second } = (await revokeSigningKey(database, sealing, first))!
    const [before] = (await readSigningKeys(database)).filter(({ kid }) => kid === first)
    assert.deepEqual(await revokeSigningKey(database, sealing, first), { active: second })
    assert.deepEqual(
      (await readSigningKeys(database)).filter(({ kid }) => kid === first),
      [before]
    )
    assert.equal(await revokeSigningKey(database, sealing, 'nobody'), undefined)
  })
})

suite('a private key at rest', () => {
  const stored = async () =>
    (await database.query<{ kid: string; private_key: Buffer; sealed: boolean }>('select * from signing_keys'))[0]!

  test('is sealed with the secret, and opens with it alone', async () => {
    const { pkcs8 } = await readActiveKey(database, sealing)
    const { private_key, sealed } = await stored()
    assert.deepEqual([sealed, private_key.includes(pkcs8.subarray(-32))], [true, false])
    const other = openSealing('another secret of thirty-two characters')
    await assert.rejects(readActiveKey(database, other), /sealed with another SIGNING_KEY_SECRET/)
    await assert.rejects(readActiveKey(database, openSealing(undefined)), /there is no SIGNING_KEY_SECRET/)
  })

  test('opens with the old secret while there is a new one, with which the next key is sealed', async () => {
    const both = openSealing('the new secret of thirty-two characters,a secret of thirty-two characters or more')
    const first = await active()
    assert.equal((await readActiveKey(database, both)).kid, first)
    const { kid } = await rotateSigningKey(database, both)
    await pass(LEAD_SECONDS + 1)
    assert.equal((await readActiveKey(database, openSealing('the new secret of thirty-two characters'))).kid, kid)
  })

  test('belongs to its name: put under another, it does not open', async () => {
    await active()
    const other = await rotate()
    await pass(LEAD_SECONDS + 1)
    await database.query(
      `update signing_keys set private_key = (select private_key from signing_keys where kid <> $1) where kid = $1`,
      [other]
    )
    await assert.rejects(active(), /cannot be opened/)
  })

  test('is as it is without a secret, and says so', async () => {
    const { pkcs8 } = await readActiveKey(database, openSealing(undefined))
    const { private_key, sealed } = await stored()
    assert.deepEqual([sealed, private_key.equals(pkcs8)], [false, true])
    assert.equal((await readActiveKey(database, sealing)).kid, (await stored()).kid)
  })
})
