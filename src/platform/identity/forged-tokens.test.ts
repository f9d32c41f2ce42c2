import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { type Forged, forgedTokens } from '../../../test/support/forged-tokens.ts'
import { startIssuer, type TestIssuer } from '../../../test/support/issuer.ts'
import { quiet } from '../../../test/support/messaging.ts'
import type { Authenticator } from './actor.ts'
import { openAuthenticator } from './auth.ts'
import { trustedIssuer } from './issuers.ts'

const audience = 'urn:product-service'
const VECTORS_MIN = 60
const MUTANTS = 100_000
const AT_ONCE = 200

type Random = (below: number) => number
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const oddities = ['', '.', '=', '+', '/', ' ', '%', '\0', 'é', '..', '\n']

/** What is changed, of how many, and how. Verifying a signature costs most: fewer get that far. */
const changes: [part: string, share: number, change: (token: string, random: Random, good: readonly string[]) => string][] = [
  ['a byte of the header', 0.3, (token, random) => withChangedBytes(token, 0, random)],
  ['a byte of the claims', 0.2, (token, random) => withChangedBytes(token, 1, random)],
  ['a byte of the signature', 0.1, (token, random) => withChangedBytes(token, 2, random)],
  [
    'a character',
    0.2,
    (token, random) => {
      const at = random(token.length)
      const by = random(3) === 0 ? alphabet[random(64)]! : oddities[random(oddities.length)]!
      return token.slice(0, at) + by + token.slice(at + random(3))
    }
  ],
  [
    'parts, taken from others',
    0.2,
    (token, random, good) => {
      const parts = token.split('.')
      parts[random(3)] = good[random(good.length)]!.split('.')[random(3)]!
      return parts.join('.')
    }
  ]
]

// Time stands still: what is tested is not how long it takes.
const now = () => 1_800_000_000_000
const [rs, es, ed] = (await Promise.all((['RS256', 'ES256', 'EdDSA'] as const).map(alg => startIssuer({ alg, now })))) as [
  TestIssuer,
  TestIssuer,
  TestIssuer
]
const issuers: TestIssuer[] = [rs, es, ed]
const forged: Forged[] = forgedTokens({ rs, es, ed, nowSeconds: now() / 1000 })
let authenticator: Authenticator
before(() => {
  authenticator = openAuthenticator({ issuers: issuers.map(({ url }) => trustedIssuer({ url, audience })), log: quiet, now })
})
after(() => Promise.all(issuers.map(issuer => issuer[Symbol.asyncDispose]())))

/** What becomes of a token: the status of the refusal, or 200. */
async function statusOf(token: string): Promise<number> {
  try {
    await authenticator.authenticate({ authorization: `Bearer ${token}` })
    return 200
  } catch (error) {
    if (error instanceof Problem) return error.status
    throw error
  }
}

describe('a token is refused with 401 that has', () => {
  for (const [name, token] of forged) test(name, async () => assert.equal(await statusOf(token), 401))

  test(`(these are ${VECTORS_MIN} at least, each another, and what they differ from is accepted)`, async () => {
    assert.ok(new Set(forged.map(([, token]) => token)).size >= VECTORS_MIN, String(forged.length))
    assert.equal(new Set(forged.map(([name]) => name)).size, forged.length)
    for (const issuer of issuers) assert.equal(await statusOf(issuer.token()), 200)
  })

  test('and nobody was asked for keys more often than for good ones', () => {
    for (const issuer of issuers) assert.ok(issuer.asked.keys <= 3, `${issuer.asked.keys} times`)
  })
})

describe(`of ${MUTANTS} tokens in which something was changed none is accepted, and none is answered otherwise than 401:`, () => {
  const random = generator(4)
  let good: string[]
  before(async () => {
    good = issuers.flatMap(issuer => [issuer.token(), issuer.token({ aud: ['urn:other', audience] })])
    for (const token of good) assert.equal(await statusOf(token), 200)
  })

  for (const [part, share, change] of changes) {
    test(`${share * MUTANTS} in ${part}`, async t => {
      const answers = new Map<number, number>()
      const started = performance.now()
      for (let done = 0; done < share * MUTANTS; ) {
        const tokens = Array.from({ length: AT_ONCE }, () => change(good[random(good.length)]!, random, good))
        // Some are changed where it makes no difference: they are the same token.
        const mutants = tokens.filter(mutant => !good.some(token => isSameToken(mutant, token)))
        for (const status of await Promise.all(mutants.map(statusOf))) answers.set(status, (answers.get(status) ?? 0) + 1)
        done += mutants.length
      }
      t.diagnostic(`${Math.round(performance.now() - started)} ms`)
      assert.deepEqual([...answers.keys()], [401])
    })
  }
})

/** The same every time. */
function generator(seed: number): Random {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** A token with one of its parts as other bytes: a bit turned, or a byte more, less or another. */
function withChangedBytes(token: string, which: number, random: Random): string {
  const parts = token.split('.')
  const bytes = [...Buffer.from(parts[which]!, 'base64url')]
  const at = random(bytes.length)
  const kind = random(4)
  if (kind < 2) bytes[at]! ^= 1 << random(8)
  else bytes.splice(at, kind === 2 ? 1 : random(2), random(256))
  parts[which] = Buffer.from(bytes).toString('base64url')
  return parts.join('.')
}

/** The last character of base64url has bits that mean nothing. */
function isSameToken(a: string, b: string): boolean {
  const [one, other] = [a.split('.'), b.split('.')]
  const signature = ([, , text]: string[]) => Buffer.from(text ?? '', 'base64url').toString('hex')
  return one.length === 3 && one[0] === other[0] && one[1] === other[1] && signature(one) === signature(other)
}
