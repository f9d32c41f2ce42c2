/** What every refusal looks like, whatever refuses. */
import assert from 'node:assert/strict'
import { type ProblemCode, problems } from '#contracts/problems.ts'
import type { Reply } from './service.ts'

const DETAIL_LENGTH_MAX = 200
const FAULTS_MAX = 50
/** Words that are nobody's business outside: SQL, stacks, files, hosts. */
const inside =
  /\b(select|insert|update|delete from|relation|constraint|syntax error|node_modules|postgres|localhost)\b|\.ts\b|\n\s+at /i

/** Asserts that a reply is a problem (RFC 9457) as the contract has it; of this code, if one is given, else any that a client can cause. */
export function assertProblem(reply: Reply, code?: ProblemCode): void {
  const { status, headers, body } = reply
  const said = `${status} ${JSON.stringify(body)?.slice(0, 1000)}`
  assert.match(headers.get('content-type') ?? '', /^application\/problem\+json(;|$)/, said)
  assert.ok(Object.hasOwn(problems, body.code), said)
  const known = problems[body.code as ProblemCode]
  if (code) assert.equal(body.code, code, said)
  else assert.ok(status >= 400 && status < 500, said)
  assert.deepEqual([status, body.status, body.title], [known.status, known.status, known.title], said)
  assert.equal(body.type, `http://localhost:8080/problems/${body.code}`)
  assert.match(body.traceId, /^[0-9a-f]{32}$/, said)
  assert.equal(typeof body.detail, 'string', said)
  assert.ok(body.detail.length <= DETAIL_LENGTH_MAX, said)
  assert.doesNotMatch(body.detail, inside, said)
  assertFaults(body.errors, said)
  assert.equal(headers.get('cache-control'), 'no-store', said)
  assertSafeHeaders(headers)
  const challenges = status === 401 || body.code === 'insufficient-scope'
  if (challenges) assert.match(headers.get('www-authenticate') ?? '', /^Bearer realm=/, said)
  if (status === 405) assert.ok(headers.get('allow'), said)
  if (status === 503 || body.code === 'idempotency-in-flight') assert.match(headers.get('retry-after') ?? '', /^[1-9]\d*$/, said)
}

function assertFaults(errors: unknown, said: string): void {
  if (errors === undefined) return
  assert.ok(Array.isArray(errors) && errors.length > 0 && errors.length <= FAULTS_MAX, said)
  for (const { pointer, code, detail } of errors) {
    if (pointer !== '') assert.match(decodeURIComponent(pointer), /^#(\/|$)/, said)
    assert.ok(typeof code === 'string' && typeof detail === 'string' && detail.length <= DETAIL_LENGTH_MAX, said)
    assert.doesNotMatch(detail, inside, said)
  }
}

/** What every reply carries, and what none does. */
export function assertSafeHeaders(headers: Headers): void {
  assert.equal(headers.get('x-content-type-options'), 'nosniff')
  assert.match(headers.get('x-request-id') ?? '', /^[A-Za-z0-9._-]{1,128}$/)
  for (const name of ['server', 'x-powered-by', 'access-control-allow-origin', 'set-cookie']) assert.equal(headers.get(name), null)
}
