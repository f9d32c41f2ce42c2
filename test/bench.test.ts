import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { limits, verdictOf } from '../bench/limits.ts'
import { load } from '../bench/load.ts'
import { writeIntoPage } from '../bench/markdown.ts'
import { readPeers } from '../bench/peers.ts'
import { type Report, reportOf, toText } from '../bench/report.ts'

const folder = await mkdtemp(join(tmpdir(), 'bench-test-'))
after(() => rm(folder, { recursive: true }))

/** Another product, which answers in chunks, and remembers what it was asked. */
async function startPeer() {
  const asked: { url: string; key: string | undefined; body: string }[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    asked.push({ url: request.url!, key: request.headers['x-key']?.toString(), body })
    if (request.url === '/refuse') return void response.writeHead(409).end('sold out')
    response.write('{"its":')
    setImmediate(() => response.end('"answer"}'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, asked, [Symbol.dispose]: () => void server.close().closeAllConnections() }
}

test('a run measures our service and a peer side by side, and writes what it found as JSON and into a page', async () => {
  using peer = await startPeer()
  const [peers, json, page] = ['peers.json', 'found.json', 'page.md'].map(name => join(folder, name))
  const entry = {
    name: 'a peer',
    url: '$PEER_URL/products/{id}',
    headers: { 'x-key': '$PEER_KEY' },
    ids: ['a', 'b'],
    pid: process.pid
  }
  await writeFile(peers!, JSON.stringify({ reads: [entry] }))
  await writeFile(page!, await readFile('docs/reference/performance.md', 'utf8'))
  const size = ['--rounds', '2', '--seconds', '0.3', '--small', '--patience', '0']
  await promisify(execFile)(
    process.execPath,
    ['bench/bench.ts', '--only', 'reads', ...size, '--peers', peers!, '--json', json!, '--markdown', page!],
    { env: { ...process.env, PEER_URL: peer.url, PEER_KEY: 'sesame' } }
  )

  const report: Report = JSON.parse(await readFile(json!, 'utf8'))
  assert.match(report.command, /^npm run bench -- --only reads/)
  assert.equal(report.machine.node, process.versions.node)
  assert.match(report.machine.postgres, /^18/)
  const [reads, ...others] = report.groups
  assert.deepEqual(others, [])
  assert.equal(reads!.cases.length, 7)
  for (const { case: name, medians, rounds } of reads!.cases) {
    assert.equal(rounds.length, 2, name)
    assert.ok(medians['per s']! > 0, `${name} was answered`)
    assert.equal(medians.failed, 0, name)
  }
  assert.deepEqual(
    reads!.limits.map(({ limit }) => limit),
    ['warmRead', 'uncachedRead', 'warmReadCpu']
  )
  for (const { value, verdict, floor } of reads!.limits) {
    assert.ok(value > 0)
    assert.ok(['moonshot', 'holds', 'below floor'].includes(verdict) && floor > 0)
  }
  const ours = reads!.cases.find(each => each.case === 'a peer')!
  assert.ok(ours.ratio! > 0 && ours.ratio! < 1, `${ours.ratio} of a static route`)
  assert.deepEqual(
    new Set(peer.asked.map(({ url, key }) => `${url} ${key}`)),
    new Set(['/products/a sesame', '/products/b sesame'])
  )

  const written = await readFile(page!, 'utf8')
  assert.match(written, /\| warm `GET \/v1\/products\/\{id\}` against .* \|/)
  assert.match(written, /\| a peer \|/)
})

test('a load asks anew for each request, counts refusals apart, and ends when each id had its turn', async () => {
  using peer = await startPeer()
  const headers = { 'x-key': '{uuid}' }
  const ids = ['a', 'b', 'c', 'd', 'e']
  const bodies: string[] = []
  const options = { connections: 2, seconds: 5, once: true, onBody: (body: string) => void bodies.push(body) }
  const shot = await load({ url: `${peer.url}/stock?of={id}`, headers, body: { id: '{id}' }, ids }, options)
  assert.deepEqual([shot.requests, shot.failed, bodies.length], [5, 0, 5])
  assert.ok(bodies.every(body => body.includes('"its":') && body.includes('"answer"}')))
  assert.deepEqual(
    peer.asked.map(({ url, body }) => `${url} ${body}`).sort(),
    ids.map(id => `/stock?of=${id} {"id":"${id}"}`)
  )
  assert.equal(new Set(peer.asked.map(({ key }) => key)).size, 5)

  const refused = await load({ url: `${peer.url}/refuse` }, { connections: 1, seconds: 0.1 })
  assert.equal(refused.requests, 0)
  assert.ok(refused.failed > 0)
  assert.match(refused.firstFailure!, /409/)
})

test('a floor is a bound from below for rates, and from above for times and memory', () => {
  const { warmRead, start, ownWrites } = limits
  assert.deepEqual(
    [0.59, 0.6, 0.8].map(value => verdictOf(warmRead, value)),
    ['below floor', 'holds', 'moonshot']
  )
  assert.deepEqual(
    [1.6, 1.5, 0.5].map(value => verdictOf(start, value)),
    ['below floor', 'holds', 'moonshot']
  )
  assert.deepEqual(
    [1, 0].map(value => verdictOf(ownWrites, value)),
    ['below floor', 'holds']
  )
})

test('ratios are taken within a round, the median of them counts, and rounds that differ too much are told', () => {
  const cases = [
    { name: 'limit', shoot: async () => ({}) },
    { name: 'ours', against: 'limit', shoot: async () => ({}) }
  ]
  const taken = new Map([
    ['limit', [{ 'per s': 100 }, { 'per s': 1000 }, { 'per s': 100 }]],
    [
      'ours',
      [
        { 'per s': 70, failed: 0 },
        { 'per s': 300, failed: 2 },
        { 'per s': 80, failed: 0 }
      ]
    ]
  ])
  const figures = {
    warmRead: (round: (name: string) => Record<string, number>) => round('ours')['per s']! / round('limit')['per s']!
  }
  const report = reportOf('reads', { about: 'reads', open: async () => ({ cases, figures }) }, { cases, figures }, taken)
  assert.equal(report.cases[1]!.ratio, 0.7)
  assert.deepEqual([report.limits[0]!.value, report.limits[0]!.verdict], [0.7, 'holds'])
  assert.deepEqual(report.notes, [
    'rounds differ by more than 2 ×: limit (100 to 1,000 per s)',
    'rounds differ by more than 2 ×: ours (70 to 300 per s)',
    '2 requests failed: ours'
  ])
  assert.equal(
    toText([
      ['case', 'per s'],
      ['ours', '70']
    ]),
    '  case  per s\n  ours     70'
  )
})

test('peers of a group that there is not, and a page without a place for the report, are refused', async () => {
  const file = join(folder, 'others.json')
  await writeFile(file, JSON.stringify({ writes: [] }))
  assert.throws(() => readPeers(file), /no group writes for peers, only reads, lists, reservations/)
  await assert.rejects(writeIntoPage(file, {} as Report), /has no place for a report/)
})
