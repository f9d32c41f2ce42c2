import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSealing, type Sealed, type SealedKind } from './sealing.ts'

const [OLD, NEW] = ['the old secret of thirty-two characters', 'the new secret of thirty-two characters']
const secret = Buffer.from('what nobody is to read')
const kinds: readonly SealedKind[] = ['signing key', 'webhook secret']

test('what is sealed as one kind opens as that kind alone, though the secret is the same', () => {
  for (const kind of kinds) {
    const sealed = openSealing(OLD, kind).seal('a', secret)
    assert.deepEqual([sealed.sealed, sealed.bytes.includes(secret)], [true, false])
    assert.deepEqual(openSealing(OLD, kind).open('a', sealed), secret)
    for (const other of kinds.filter(each => each !== kind)) {
      const refusal = new RegExp(`^Error: the ${other} a cannot be opened: it was sealed with another SIGNING_KEY_SECRET`)
      assert.throws(() => openSealing(OLD, other).open('a', sealed), refusal)
      assert.ok(!openSealing(OLD, other).isCurrent('a', sealed))
    }
  }
  // What was sealed before there were kinds were signing keys.
  assert.deepEqual(openSealing(OLD, 'signing key').open('a', openSealing(OLD).seal('a', secret)), secret)
})

test('it opens for its own name only, and with no bit of it changed', () => {
  const sealing = openSealing(OLD, 'webhook secret')
  const { bytes } = sealing.seal('a', secret)
  assert.throws(() => sealing.open('b', { bytes, sealed: true }), /the webhook secret b cannot be opened/)
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at]! ^= 1
    assert.throws(() => sealing.open('a', { bytes: changed, sealed: true }), `byte ${at}`)
  }
  for (const cut of [0, 1, 12, 27, bytes.length - 1])
    assert.throws(() => sealing.open('a', { bytes: bytes.subarray(0, cut), sealed: true }), `${cut} bytes`)
  assert.notDeepEqual(sealing.seal('a', secret).bytes, bytes, 'never the same twice')
})

test('current is what is sealed as it would be sealed now: anything else is to be sealed anew', () => {
  const by = (secrets: string | undefined) => openSealing(secrets, 'webhook secret')
  const states: Record<string, Sealed> = {
    unsealed: by(undefined).seal('a', secret),
    old: by(OLD).seal('a', secret),
    new: by(NEW).seal('a', secret)
  }
  const currentUnder = (secrets: string | undefined) =>
    Object.keys(states).filter(state => by(secrets).isCurrent('a', states[state]!))
  assert.deepEqual(currentUnder(undefined), ['unsealed'])
  assert.deepEqual(currentUnder(OLD), ['old'])
  assert.deepEqual(currentUnder(`${NEW},${OLD}`), ['new'])
  assert.deepEqual(currentUnder(`${OLD},${NEW}`), ['old'])
  assert.ok(!by(NEW).isCurrent('b', states.new!), 'under another name it is not')

  const both = by(`${NEW},${OLD}`)
  for (const state of Object.values(states)) {
    const anew = both.seal('a', both.open('a', state))
    assert.ok(both.isCurrent('a', anew))
    assert.deepEqual(by(NEW).open('a', anew), secret)
  }
})

test('without a secret nothing is sealed, and what is sealed says what is missing', () => {
  const sealing = openSealing(undefined, 'webhook secret')
  const kept = sealing.seal('a', secret)
  assert.deepEqual([kept.sealed, sealing.open('a', kept)], [false, secret])
  assert.throws(() => sealing.open('a', openSealing(OLD, 'webhook secret').seal('a', secret)), /there is no SIGNING_KEY_SECRET/)
})
