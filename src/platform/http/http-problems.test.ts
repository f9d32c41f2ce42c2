import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#contracts/problems.ts'
import { parseJson } from '../text/json.ts'
import { problemHeaders, problemOf, toProblemJson } from './http-problems.ts'

const codeOf = (error: unknown) => problemOf(error).code

test('an error is what it means to the client, and its words stay here unless they were meant for them', () => {
  const refusal = new Problem('sku-taken', 'A-1')
  assert.equal(problemOf(refusal), refusal)
  const secret = problemOf(new Error('insert into users failed at /srv/users.ts'))
  assert.deepEqual([secret.code, secret.message], ['internal', 'Something went wrong on our side'])
  for (const thrown of [undefined, null, 'text', 7, {}, new TypeError('x')]) assert.equal(codeOf(thrown), 'internal')
})

test('a connection that breaks is a fault of the request only when it is the one that the request came on', () => {
  const reset = (more = {}) => problemOf(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', ...more }))
  assert.ok(reset().status >= 500)
  assert.equal(reset({ statusCode: 400 }).code, 'malformed-http')
})

test('who is to come again is told when', () => {
  assert.equal(problemHeaders(new Problem('unavailable'))['retry-after'], '1')
  assert.equal(problemHeaders(new Problem('idempotency-in-flight'))['retry-after'], '1')
  assert.equal(problemHeaders(new Problem('too-many-requests', '', { retryAfterSeconds: 30 }))['retry-after'], '30')
  assert.equal(problemHeaders(new Problem('insufficient-stock'))['retry-after'], undefined)
})

test('what is wrong with JSON is told with its place, as a fragment', () => {
  let error: unknown
  try {
    parseJson(Buffer.from(`{"a b":{"${'x'.repeat(500)}":1e999}}`))
  } catch (thrown) {
    error = thrown
  }
  assert.deepEqual(problemOf(error).extensions.errors, [
    { pointer: `#/a%20b/${'x'.repeat(100)}`, code: 'json', detail: 'The number is out of range' }
  ])
})

test('a problem is written as RFC 9457 has it, with extension members beside', () => {
  const problem = new Problem('precondition-failed', 'The current version is 7', {
    currentVersion: 7,
    status: 'active',
    title: 'x'
  })
  const context = { baseUrl: 'https://shop.example', traceId: 'a'.repeat(32), instance: '/v1/products/1' }
  assert.deepEqual(toProblemJson(problem, context), {
    type: 'https://shop.example/problems/precondition-failed',
    title: 'It has changed since the version in If-Match',
    status: 412,
    detail: 'The current version is 7',
    code: 'precondition-failed',
    instance: '/v1/products/1',
    traceId: 'a'.repeat(32),
    currentVersion: 7
  })
  assert.equal(problemHeaders(problem).etag, '"7"')
})
