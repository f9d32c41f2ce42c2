/** Malformed bodies of every kind: a clear problem that says where, nothing changed, and never an error of ours. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { exponents } from '#contracts/resources/money.ts'
import { type Attack, type Attacked, openAttacked } from './support/attacked.ts'
import { acceptable, refused } from './support/json-vectors.ts'
import { assertProblem } from './support/problem.ts'
import { exchange } from './support/raw-http.ts'
import type { Reply } from './support/service.ts'
import { unchanged } from './support/unchanged.ts'

let attacked: Attacked
before(async () => {
  attacked = await openAttacked()
})
after(() => attacked[Symbol.asyncDispose]())

const pointersOf = ({ body }: Reply): string[] =>
  [...new Set<string>((body.errors ?? []).map(({ pointer }: { pointer: string }) => pointer))].sort()

describe('a body', () => {
  test('that is not JSON, or dangerous or ambiguous JSON, is refused', async () => {
    const { post, assertRefused } = attacked
    const { 'nothing but white space': _, ...texts } = refused
    await assertRefused(Object.entries(texts).map(([name, text]) => [name, 'invalid-json', () => post('/v1/products', text)]))
  })

  test('that is JSON but no object is refused by what it is', async () => {
    const { post, assertRefused } = attacked
    const texts = Object.values(acceptable).filter(text => !text.trim().startsWith('{'))
    await assertRefused(texts.map(text => [text.slice(0, 50), 'invalid-request', () => post('/v1/products', text)]))
  })

  test('that is missing, or stands where none belongs, is refused', async () => {
    const { send, post, assertRefused, productId } = attacked
    const bodies = ['null', '[]', '0', '""', 'false', '[{}]', '{"a":1}']
    await assertRefused([
      ['none', 'invalid-request', () => send('POST', '/v1/products')],
      ['none, as JSON', 'invalid-request', () => send('POST', '/v1/products', { 'content-type': 'application/json' })],
      ['an empty one', 'invalid-request', () => post('/v1/products', '')],
      ...bodies.map(
        (body): Attack => [`archive ${body}`, 'invalid-request', () => post(`/v1/products/${productId}/archive`, body)]
      ),
      ...['null', '[]', '0'].map(
        (body): Attack => [
          `release ${body}`,
          'invalid-request',
          () => post('/v1/reservations/01990000-0000-7000-8000-000000000000/release', body, { 'idempotency-key': 'k' })
        ]
      )
    ])
    for (const method of ['GET', 'DELETE']) {
      await unchanged(attacked.service.database, async () => {
        const path = `/v1/products/01990000-0000-7000-8000-000000000000`
        const reply = await send(method, path, { 'content-type': 'application/json' }, '{"force":true}')
        assertProblem(reply, method === 'GET' ? 'not-found' : 'invalid-request')
      })
    }
  })

  test('may be as large as a mebibyte, and not a byte larger', async () => {
    const { post, assertRefused } = attacked
    const sized = (bytes: number) => `{"title":"x"${' '.repeat(bytes - 13)}}`
    assert.equal((await post('/v1/products', sized(2 ** 20))).status, 201)
    await assertRefused([['one byte more', 'payload-too-large', () => post('/v1/products', sized(2 ** 20 + 1))]])
  })

  test('is refused as soon as it says, or shows, that it is too large', async () => {
    const { service, assertRefused } = attacked
    const head = 'POST /v1/products HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer anybody\r\nContent-Type: application/json\r\n'
    const chunk = `10000\r\n${' '.repeat(2 ** 16)}\r\n`
    const attack = async (...parts: string[]) => (await exchange(service.url, parts))[0]!
    await assertRefused([
      ['a length beyond, and no body yet', 'payload-too-large', () => attack(`${head}Content-Length: 99999999999\r\n\r\n`)],
      [
        'chunks without end',
        'payload-too-large',
        () => attack(`${head}Transfer-Encoding: chunked\r\n\r\n`, ...Array(40).fill(chunk))
      ],
      [
        'no token, and a large body',
        'unauthenticated',
        () => attack(`${head.replace('anybody', '')}Content-Length: 99999999\r\n\r\n`)
      ]
    ])
  })

  test('is told what is wrong with all of it', async () => {
    const { post, send, assertRefused, variantId } = attacked
    const some = '01990000-0000-7000-8000-000000000000'
    const cases: [method: string, path: string, body: unknown, pointers: string[]][] = [
      ['POST', 'products', {}, ['#/title']],
      ['POST', 'products', { title: 7, status: 'sold', slug: 'No Slug', extra: 1 }, ['#/extra', '#/slug', '#/status', '#/title']],
      [
        'POST',
        'products',
        { title: 'x', productId: some, version: 7, createdAt: 'now' },
        ['#/createdAt', '#/productId', '#/version']
      ],
      ['POST', 'products', { title: 'x'.repeat(201), description: 'x'.repeat(20_001) }, ['#/description', '#/title']],
      ['POST', 'products', { title: ' \t ', brand: 'a\0', externalId: '' }, ['#/brand', '#/externalId', '#/title']],
      ['POST', 'products', { title: 'x', variants: Array(101).fill({ sku: 'a' }) }, ['#/variants']],
      [
        'POST',
        'products',
        { title: 'x', variants: [{ sku: ' a' }, { sku: 'é' }, { sku: '' }, {}] },
        [0, 1, 2, 3].map(i => `#/variants/${i}/sku`)
      ],
      [
        'POST',
        'products',
        { title: 'x', attributes: { '1a': 1, a: null, b: {} } },
        ['#/attributes/1a', '#/attributes/a', '#/attributes/b']
      ],
      ['POST', 'products', { title: 'x', categoryIds: [some, some, 'x'] }, ['#/categoryIds', '#/categoryIds/2']],
      [
        'POST',
        'products',
        { title: 'x', media: ['javascript:alert(1)', 'https://a@b/', '//x', 'http://', 'x'].map(url => ({ url })) },
        [0, 1, 2, 3, 4].map(i => `#/media/${i}/url`)
      ],
      ['PATCH', `variants/${variantId}`, { prices: [], variantId: some, version: 1 }, ['#/prices', '#/variantId', '#/version']],
      ['PATCH', `variants/${variantId}`, { sku: null, status: null }, ['#/sku', '#/status']],
      ['PATCH', `inventory/${variantId}`, { onHand: 7, reserved: 0, safetyStock: -1 }, ['#/onHand', '#/reserved', '#/safetyStock']],
      ['POST', 'reservations', { orderId: 'o 1', items: [] }, ['#/items', '#/orderId']],
      [
        'POST',
        'reservations',
        { orderId: 'o', ttlSeconds: 0, items: [{ variantId, quantity: 0 }, { variantId: 'x', quantity: 1 }, {}] },
        ['#/items/0/quantity', '#/items/1/variantId', '#/items/2/quantity', '#/items/2/variantId', '#/ttlSeconds']
      ],
      ['POST', 'inventory/availability', { variantIds: Array(501).fill(some) }, ['#/variantIds']]
    ]
    const key = { 'idempotency-key': 'k' }
    await assertRefused(
      cases.map(([method, path, body, pointers]) => [
        `${path} ${pointers}`,
        'invalid-request',
        async () => {
          const reply =
            method === 'POST'
              ? await post(`/v1/${path}`, body, key)
              : await send(method, `/v1/${path}`, { 'content-type': 'application/json' }, JSON.stringify(body))
          assert.deepEqual(pointersOf(reply), pointers)
          return reply
        }
      ])
    )
  })

  test('is told no more than fifty faults of ten thousand, and at once', async () => {
    const { post, assertRefused } = attacked
    const startedAt = performance.now()
    await assertRefused([
      ['many', 'invalid-request', () => post('/v1/products', { title: 'x', variants: Array(3000).fill({ sku: '', title: 7 }) })],
      [
        'unknown',
        'invalid-request',
        () => post('/v1/products', Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`x${i}`, i])))
      ],
      [
        'prices',
        'invalid-request',
        () =>
          post('/v1/products', { title: 'x', variants: [{ sku: 'a', prices: Array(3000).fill({ amount: '1', currency: 'X' }) }] })
      ]
    ])
    assert.ok(performance.now() - startedAt < 5000)
  })
})

describe('a number', () => {
  const reserve = (quantity: string) =>
    attacked.post('/v1/reservations', `{"orderId":"o","items":[{"variantId":"${attacked.variantId}","quantity":${quantity}}]}`, {
      'idempotency-key': 'n'
    })

  test('that no quantity can be is refused', async () => {
    const wrong = ['0', '-1', '1.5', '2000000001', '1e10', '9007199254740991', '"1"', 'true', 'null', '[1]', '{}']
    await attacked.assertRefused(wrong.map(quantity => [quantity, 'invalid-request', () => reserve(quantity)]))
    const unread = ['1e400', '-1e400', '9007199254740993', '1e16', '0x1', '01', '1.', '+1', 'NaN', 'Infinity', '1_0', '1n']
    await attacked.assertRefused(unread.map(quantity => [quantity, 'invalid-json', () => reserve(quantity)]))
  })

  test('is what it is worth, however it is written', async () => {
    for (const [index, quantity] of ['1', '1.0', '1e0', '10e-1'].entries()) {
      const body = `{"orderId":"n-${index}","items":[{"variantId":"${attacked.variantId}","quantity":${quantity}}]}`
      const reply = await attacked.post('/v1/reservations', body, { 'idempotency-key': `n-${index}` })
      assert.deepEqual([reply.status, reply.body.items[0].quantity], [201, 1], quantity)
    }
  })

  test('of money is a decimal text, with as many decimals as its currency has', async () => {
    const { send, variantId, assertRefused } = attacked
    const set = (prices: unknown) =>
      send('PUT', `/v1/variants/${variantId}/prices`, { 'content-type': 'application/json' }, JSON.stringify({ prices }))
    const amounts = [
      1,
      '1,00',
      '1.',
      '.5',
      '+1',
      '-1',
      '-0',
      '01',
      '1e3',
      '1.234',
      ' 1',
      '1 ',
      '',
      '１',
      '1\u0000',
      '1000000000000',
      'NaN',
      '0x1'
    ]
    const currencies = ['eur', 'EURO', 'XXX', '', 'EU\u0000', 'ＥＵＲ', '__proto__', 978]
    await assertRefused([
      ...amounts.map((amount): Attack => [`${amount}`, 'invalid-request', () => set([{ amount, currency: 'EUR' }])]),
      ...currencies.map((currency): Attack => [`${currency}`, 'invalid-request', () => set([{ amount: '1', currency }])]),
      ...[...exponents].map(
        ([currency, exponent]): Attack => [
          currency,
          'invalid-request',
          () => set([{ amount: `1.${'0'.repeat(exponent + 1)}`, currency }])
        ]
      )
    ])
  })
})

describe('a text', () => {
  /** Texts that have broken others: each is kept as it is, in one form of Unicode, or refused; never something else. */
  const naughty = [
    'null',
    'undefined',
    '__proto__',
    'NaN',
    "'; drop table products; --",
    "' or '1'='1",
    '1; select pg_sleep(10)',
    '$1 $$ %s %n {0} $' + '{7*7} {{7*7}} #{7*7}',
    '%00 %0d%0a %c0%af',
    '%_\\%\\_',
    "a' & b | !c <-> d:*",
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    '</title>\u2028\u2029&amp;',
    '../../../../etc/passwd',
    '=cmd|"/c calc"!A1',
    '\\u0000 \\x00 \\0',
    '\ufeffbyte order mark',
    'e\u0301 is é',
    'Ａ is full-width',
    '👨‍👩‍👧‍👦🏳️‍🌈',
    'zero\u200bwidth\u200d',
    'right \u202eto left',
    '\u2066isolated\u2069',
    'Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O̭̗̮',
    '社會科學院語學研究所',
    'الكل في المجمو عة',
    '\ud83d\ude00\ufffd\uffff',
    '\u0130ı İi ß ẞ ſ',
    'a'.repeat(128)
  ]

  test('is kept character by character, whatever it says, and composed characters in one form', async () => {
    const { service } = attacked
    for (const given of naughty) {
      const text = given.normalize('NFC')
      const created = await service.request('POST', '/v1/products', {
        title: given.replaceAll(/[\u2028\u2029]/g, ' '),
        description: given,
        brand: given,
        externalId: given,
        attributes: { text: given }
      })
      assert.equal(created.status, 201, text)
      const { body } = await service.request('GET', created.headers.get('location')!)
      assert.deepEqual([body.description, body.brand, body.externalId, body.attributes.text], Array(4).fill(text))
      assert.equal(body.title, text.replaceAll(/[\u2028\u2029]/g, ' '))
      const found = await service.request('GET', `/v1/products?externalId=${encodeURIComponent(given)}`)
      assert.deepEqual(found.body.data, [body], text)
    }
  })

  test('is nothing to the database but a text', async () => {
    const { service } = attacked
    for (const externalId of ['%', '_', '%25', "' or 1=1 --", '\\', '*', 'null']) {
      const { status, body } = await service.request('GET', `/v1/products?externalId=${encodeURIComponent(externalId)}`)
      assert.deepEqual(
        [status, body.data.filter((product: { externalId: string }) => product.externalId !== externalId)],
        [200, []]
      )
    }
  })

  test('with what no text has is refused, wherever it stands', async () => {
    const { post, assertRefused, service } = attacked
    const unprintable = ['\0', '\x01', '\x08', '\x0b', '\x1b[2J', '\x7f', '\x80', '\x9f'].map(text => JSON.stringify(text))
    const places: ((text: string) => string)[] = [
      text => `{"title":${text}}`,
      text => `{"title":"x","description":${text}}`,
      text => `{"title":"x","externalId":${text}}`,
      text => `{"title":"x","slug":${text}}`,
      text => `{"title":"x","attributes":{"a":${text}}}`,
      text => `{"title":"x","attributes":{"a":[${text}]}}`,
      text => `{"title":"x","attributes":{${text}:1}}`,
      text => `{"title":"x","options":[{"name":${text},"values":[]}]}`,
      text => `{"title":"x","options":[{"name":"x","values":[${text}]}]}`,
      text => `{"title":"x","media":[{"url":"https://x","alt":${text}}]}`,
      text => `{"title":"x","media":[{"url":${text}}]}`,
      text => `{"title":"x","variants":[{"sku":${text}}]}`,
      text => `{"title":"x","variants":[{"sku":"a","barcode":${text}}]}`,
      text => `{"title":"x","variants":[{"sku":"a","options":{"x":${text}}}]}`,
      text => `{"title":"x","variants":[{"sku":"a","options":{${text}:"x"}}]}`
    ]
    const attacks = (texts: string[], code: Attack[1]) =>
      texts.flatMap(text => places.map((place): Attack => [place(text), code, () => post('/v1/products', place(text))]))
    await assertRefused(attacks(unprintable, 'invalid-request'))
    await assertRefused(attacks(['"\\ud800"', '"\\udc00x"'], 'invalid-json'))
    assert.equal((await service.database.query('select 1 from products where document like $1', ['%\ufffd%'])).length, 1)
  })

  test('of any length and make is checked in no time', async () => {
    const { post, assertRefused } = attacked
    const hostile = [
      'a-'.repeat(25_000),
      `${'a'.repeat(50_000)}!`,
      `a${' '.repeat(50_000)}\x01`,
      'http://'.repeat(7000),
      `http://${'a'.repeat(50_000)} `,
      `http://${'[:'.repeat(20_000)}`,
      '0'.repeat(50_000),
      `${'1.'.repeat(25_000)}`
    ]
    const places: ((text: string) => object)[] = [
      text => ({ title: text }),
      text => ({ title: 'x', slug: text }),
      text => ({ title: 'x', media: [{ url: text }] }),
      text => ({ title: 'x', categoryIds: [text] }),
      text => ({ title: 'x', attributes: { [text]: 1 } }),
      text => ({ title: 'x', variants: [{ sku: text, options: { [text]: text } }] }),
      text => ({ title: 'x', variants: [{ sku: 'a', prices: [{ amount: text, currency: text }] }] })
    ]
    await assertRefused(
      hostile.flatMap(text =>
        places.map(
          (place): Attack => [
            text.slice(0, 10),
            'invalid-request',
            async () => {
              const startedAt = performance.now()
              const reply = await post('/v1/products', place(text))
              assert.ok(
                performance.now() - startedAt < 500,
                `${JSON.stringify(place(text.slice(0, 10)))} took ${performance.now() - startedAt} ms`
              )
              return reply
            }
          ]
        )
      )
    )
  })
})

test('nothing of all this has reached the prototypes of objects', () => {
  assert.deepEqual(
    [Object.keys(Object.prototype), Object.hasOwn(Object.prototype, 'polluted'), Object.hasOwn(Array.prototype, 'polluted')],
    [[], false, false]
  )
})
