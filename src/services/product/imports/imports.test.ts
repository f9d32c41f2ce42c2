import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { request as openRequest } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { runAll, someProduct, someProducts } from '../../../../test/support/imports.ts'
import { assertProblem } from '../../../../test/support/problem.ts'
import { type RunningService, runService } from '../../../../test/support/service.ts'
import { productService } from '../service.ts'
import { sweepImports } from './sweep-imports.ts'

let service: RunningService
before(async () => {
  service = await runService(productService)
})
after(() => service[Symbol.asyncDispose]())

const ndjson = (lines: readonly unknown[]) => lines.map(line => `${JSON.stringify(line)}\n`).join('')
const send = (file: string, { query = '', type = 'application/x-ndjson', key = randomUUID() as string } = {}) =>
  service.request('POST', `/v1/imports${query}`, file, { 'content-type': type, 'idempotency-key': key })
const linesOf = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))
const spooled = () => service.database.query('select import_id from import_chunks')

describe('a file that is sent', () => {
  test('is answered at once, waits, runs, and says how far it is and what became of it', async () => {
    const file = ndjson([someProduct('http-1'), { title: '' }])
    const accepted = await send(file)
    const { importId } = accepted.body
    assert.deepEqual([accepted.status, accepted.headers.get('location')], [202, `/v1/imports/${importId}`])
    assert.deepEqual(
      [accepted.body.status, accepted.body.bytes, accepted.body.bytesDone, accepted.body.errorsUrl],
      ['pending', file.length, 0, null]
    )
    await runAll(service.database)
    const { body } = await service.request('GET', `/v1/imports/${importId}`)
    const { status, rows, created, failed, bytesDone, errorsUrl, format } = body
    assert.deepEqual([status, rows, created, failed, bytesDone, format], ['completed', 2, 1, 1, file.length, 'ndjson'])
    const errors = await fetch(service.url + errorsUrl, { headers: { authorization: 'Bearer anybody' } })
    assert.equal(errors.headers.get('content-type')?.split(';')[0], 'application/x-ndjson')
    assert.deepEqual(
      linesOf(await errors.text()).map(({ line, pointer, code }) => [line, pointer, code]),
      [
        [2, '#/title', 'minLength'],
        [2, '#/title', 'pattern']
      ]
    )
    const { body: page } = await service.request('GET', '/v1/imports?limit=1')
    assert.deepEqual(page.data, [body])
  })

  test('may be a spreadsheet, of which several rows are one product', async () => {
    const rows = [
      'Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Colour',
      'mug,Mug,Size,S,MUG-S,4.50,blue',
      'mug,,,L,MUG-L,6.00,',
      'jug,Jug,,,JUG,12.00,red',
      'pot,,,,POT,not a price,'
    ]
    const { body } = await send(`${rows.join('\r\n')}\r\n`, { type: 'text/csv', query: '?currency=GBP' })
    await runAll(service.database)
    const { body: ended } = await service.request('GET', `/v1/imports/${body.importId}`)
    const { status, format, currency, rows: count, created, failed } = ended
    assert.deepEqual([status, format, currency, count, created, failed], ['completed', 'shopify-csv', 'GBP', 4, 2, 1])
    const [found] = (await service.request('GET', '/v1/products?sku=MUG-L')).body.data
    assert.deepEqual([found.variants.length, found.variants[1].prices], [2, [{ amount: '6.00', currency: 'GBP' }]])
  })

  test('again with the same key is the same import; another file with it is refused', async () => {
    const key = randomUUID()
    const file = ndjson(someProducts(3))
    const [first, second] = [await send(file, { key }), await send(file, { key })]
    assert.deepEqual([second.body, second.headers.get('idempotency-replayed')], [first.body, 'true'])
    assertProblem(await send(ndjson(someProducts(2)), { key }), 'idempotency-key-reused')
    const [row] = await service.database.query('select count(*) from imports where import_id >= $1', [first.body.importId])
    assert.deepEqual(row, { count: 1 })
    await runAll(service.database)
  })

  test('may be as large as it likes: it is kept in pieces, and dropped when it is dealt with', async () => {
    const file = ndjson(someProducts(6000))
    const { body } = await send(file)
    const pieces = await service.database.query<{ size: number }>(
      'select length(bytes) as size from import_chunks where import_id = $1',
      [body.importId]
    )
    assert.ok(pieces.length > 1 && pieces.every(({ size }) => size < 2_000_000), `${pieces.length}`)
    await runAll(service.database)
    while ((await sweepImports(service.database, { IMPORT_RETENTION_DAYS: 30 } as never)).more);
    assert.deepEqual(await spooled(), [])
    assert.deepEqual(await service.database.query('select from import_products'), [])
    assert.equal((await service.request('GET', `/v1/imports/${body.importId}`)).body.created, 6000)
  })

  test('that breaks off leaves nothing', async () => {
    const before = await service.database.query('select import_id from imports')
    const request = openRequest(`${service.url}/v1/imports`, {
      method: 'POST',
      headers: { authorization: 'Bearer anybody', 'content-type': 'application/x-ndjson', 'content-length': 50_000_000 }
    })
    const gone = new Promise(resolve => request.once('close', resolve))
    request.on('error', () => {})
    request.write(ndjson(someProducts(8000)))
    while ((await spooled()).length === 0);
    request.destroy()
    await gone
    while ((await spooled()).length > 0);
    while ((await service.database.query('select from imports')).length > before.length);
  })

  test('by a process that died is swept in time', async () => {
    const importId = (await send(ndjson(someProducts(1)))).body.importId
    await service.database.query(
      `update imports set status = 'uploading', updated_at = now() - interval '2 hours' where import_id = $1`,
      [importId]
    )
    while ((await sweepImports(service.database, { IMPORT_RETENTION_DAYS: 30 } as never)).more);
    assert.deepEqual(await service.database.query('select from imports where import_id = $1', [importId]), [])
    assertProblem(await service.request('GET', `/v1/imports/${importId}`), 'not-found')
  })

  test('is forgotten when its time is over, with its errors', async () => {
    const { importId } = (await send(ndjson([{ title: '' }]))).body
    await runAll(service.database)
    await service.database.query(`update imports set completed_at = now() - interval '31 days' where import_id = $1`, [importId])
    while ((await sweepImports(service.database, { IMPORT_RETENTION_DAYS: 30 } as never)).more);
    for (const table of ['imports', 'import_errors'])
      assert.deepEqual(await service.database.query(`select from ${table} where import_id = $1`, [importId]), [])
  })

  test('as something else than it may be is refused', async () => {
    assertProblem(await send('{}', { type: 'application/json' }), 'unsupported-media-type')
    assertProblem(await send('{}', { query: '?currency=XXX' }), 'invalid-request')
    assertProblem(await send('{}', { query: '?dryrun=true' }), 'invalid-request')
    const reply = await service.request('POST', '/v1/imports', '{}', {
      authorization: 'Bearer anybody catalog:write',
      'content-type': 'application/x-ndjson'
    })
    assertProblem(reply, 'insufficient-scope')
  })
})

describe('a hostile file', () => {
  const hostile: Record<string, { file: string | Buffer; type?: string; codes: string[] }> = {
    'in UTF-16': { file: Buffer.from(`\ufeff${ndjson([{ title: 'x' }])}`, 'utf16le'), codes: ['?'] },
    'with bytes that are no text': {
      file: Buffer.concat([Buffer.from('{"title":"a'), Buffer.from([0xff, 0xfe]), Buffer.from('"}\n')]),
      codes: ['encoding']
    },
    'with a line that has no end': { file: Buffer.alloc(20_000_000, 'x'), codes: ['line-too-long'] },
    'that nests without end': { file: `${'['.repeat(100_000)}\n`, codes: ['malformed-json'] },
    'with prototypes': { file: '{"__proto__":{"title":"x"}}\n', codes: ['malformed-json'] },
    'with numbers that are none': { file: '{"title":"x","attributes":{"a":1e400}}\n', codes: ['malformed-json'] },
    'with quotes that never close': { file: 'Handle,Title\n"a,b\n'.repeat(1000), type: 'text/csv', codes: ['?'] },
    'with nothing but zeros': { file: Buffer.alloc(100_000), codes: ['?'] }
  }

  for (const [name, { file, type, codes }] of Object.entries(hostile)) {
    test(`${name} is told, and leaves nothing in the catalog`, async () => {
      const before = await service.database.query('select count(*) from products')
      const accepted = await fetch(`${service.url}/v1/imports`, {
        method: 'POST',
        headers: { authorization: 'Bearer anybody', 'content-type': type ?? 'application/x-ndjson' },
        body: file
      })
      assert.equal(accepted.status, 202)
      const { importId } = (await accepted.json()) as { importId: string }
      await runAll(service.database)
      const { body } = await service.request('GET', `/v1/imports/${importId}`)
      const found = await service.database.query<{ code: string }>('select distinct code from import_errors where import_id = $1', [
        importId
      ])
      assert.ok(body.reason || found.length > 0, JSON.stringify(body))
      if (codes[0] !== '?')
        assert.deepEqual(
          found.map(({ code }) => code),
          codes
        )
      assert.deepEqual(await service.database.query('select count(*) from products'), before)
    })
  }
})
