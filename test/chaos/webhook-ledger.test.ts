/** The ledger of webhooks notices each way in which a run can go wrong: a run that went well, with one forgery each. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokenPromises, type Recorded, type Seen, type WebhookLedger, type WebhookPromise } from './webhook-ledger.ts'

const event = (key: string, n: number) => ({
  key,
  n,
  id: `${key}${n}`,
  type: n === 1 ? 'Made' : 'Changed',
  body: `body of ${key}${n}`
})
const [a1, a2, b1] = [event('a', 1), event('a', 2), event('b', 1)] as const
const seen = (endpoint: string, { id, body }: { id: string; body: string }, answered: number | null = 204): Seen => ({
  ...{ endpoint, id, body, answered, signed: true }
})
const recorded = (endpoint: string, { id }: { id: string }, status: string, ...answers: (number | null)[]): Recorded => ({
  ...{ endpoint, id, status, attempts: answers.length },
  log: answers.map((answered, index) => ({ attempt: index + 1, status: answered }))
})

/** One is well and wants order, one wants what is changed only and never answers. The first had to be asked twice for one of them. */
const well: WebhookLedger = {
  endpoints: [
    { name: 'well', types: ['Made', 'Changed'], healthy: true, ordered: true },
    { name: 'bad', types: ['Changed'], healthy: false, ordered: false }
  ],
  committed: [a1, a2, b1],
  acknowledged: [a1, b1],
  takenBack: ['never'],
  logged: [a1, b1, a2],
  seen: [seen('well', a1, 500), seen('well', b1), seen('well', a1), seen('well', a2), seen('bad', a2, null), seen('well', a2)],
  recorded: [
    recorded('well', a1, 'delivered', 500, 204),
    recorded('well', b1, 'delivered', 204),
    recorded('well', a2, 'delivered', 204),
    recorded('bad', a2, 'pending', null)
  ],
  unrecordedMax: 1,
  processes: []
}

const [first, , ...others] = well.seen
const withRecord = (record: Recorded) =>
  well.recorded.map(each => (each.endpoint === record.endpoint && each.id === record.id ? record : each))

const forgeries: [string, WebhookPromise[], Partial<WebhookLedger>][] = [
  ['acknowledged and lost', ['committed'], { acknowledged: [a1, event('c', 1)] }],
  ['committed and never logged', ['committed'], { committed: [a1, a2, b1, event('c', 1)] }],
  ['logged twice', ['committed', 'at rest'], { logged: [a1, b1, a2, a2] }],
  ['never delivered', ['delivered', 'on record'], { seen: [first!, ...others] }],
  ['only ever refused', ['delivered', 'on record'], { seen: [first!, { ...well.seen[1]!, answered: 302 }, ...others] }],
  ['of nothing that was logged', ['nothing else', 'alike'], { seen: [...well.seen, seen('bad', event('c', 2))] }],
  ['taken back', ['nothing else'], { takenBack: ['body of a1'] }],
  ['of a type that nobody asked for', ['nothing else'], { seen: [...well.seen, seen('bad', b1)] }],
  ['with another body', ['alike'], { seen: [...well.seen.slice(0, -1), seen('well', { ...a2, body: 'body of  a2' })] }],
  ['without a signature', ['alike'], { seen: [{ ...first!, signed: false }, ...well.seen.slice(1)] }],
  ['sent before the one before it was delivered', ['in order'], { seen: [seen('well', a2), ...well.seen.slice(0, -1)] }],
  ['on record though nobody saw it', ['on record'], { recorded: withRecord(recorded('well', b1, 'delivered', 500, 204)) }],
  ['seen more often than anybody can have forgotten', ['on record'], { seen: [...well.seen, seen('well', a2)] }],
  [
    'with a gap on record',
    ['on record'],
    { recorded: withRecord({ ...recorded('well', b1, 'delivered', 204), log: [{ attempt: 2, status: 204 }] }) }
  ],
  ['delivered, and on record as refused', ['on record'], { recorded: withRecord(recorded('well', a1, 'delivered', 500)) }],
  ['still pending', ['on record', 'at rest'], { recorded: withRecord(recorded('well', a2, 'pending', 204)) }],
  ['given up', ['at rest'], { recorded: withRecord(recorded('well', a1, 'failed', 500)) }],
  ['without a delivery', ['at rest'], { recorded: well.recorded.filter(({ id }) => id !== 'b1') }],
  ['by a process that ended by itself', ['processes'], { processes: ['it ended with 1'] }]
]

test('a run that went well keeps every promise, with what was repeated and what a bad endpoint has not got', () => {
  assert.deepEqual(brokenPromises(well), [])
})

for (const [what, promises, forged] of forgeries) {
  test(`what is ${what} breaks a promise`, () => {
    assert.deepEqual([...new Set(brokenPromises({ ...well, ...forged }).map(({ promise }) => promise))], promises)
  })
}
