import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { type Plan, planOf, type Step } from '../../scripts/replay/plan.ts'
import { readHistory } from '../../scripts/replay/read-history.ts'

const fixture = fileURLToPath(new URL('./order-history.csv', import.meta.url))
const december = fileURLToPath(new URL('../../../shared/data/online-retail/2010-12.csv.gz', import.meta.url))

const of = <Kind extends Step['kind']>(plan: Plan, kind: Kind) =>
  plan.steps.filter((step): step is Extract<Step, { kind: Kind }> => step.kind === kind)
const unitsOf = (steps: readonly { lines: readonly { quantity: number }[] }[]) =>
  steps.flatMap(step => step.lines).reduce((total, line) => total + line.quantity, 0)

describe('the plan of a history', () => {
  test('a cancellation of everything on the latest earlier invoice of its customer cancels that order', async () => {
    const plan = planOf(await readHistory(fixture))
    assert.deepEqual(of(plan, 'cancellation'), [
      { kind: 'cancellation', at: '2011-03-03T08:00:00', invoice: 'C700008', order: '700007' }
    ])
    assert.deepEqual(
      of(plan, 'order')
        .filter(order => order.cancelledLater)
        .map(order => order.invoice),
      ['700007']
    )
  })

  test('any other cancellation is a return: of a part, of more than was bought, of nothing known, of nobody known', async () => {
    const plan = planOf(await readHistory(fixture))
    assert.deepEqual(
      of(plan, 'return').map(({ invoice, order, lines }) => [invoice, order, ...lines.map(line => `${line.sku} ${line.quantity}`)]),
      [
        ['C700006', '700001', '10002A 1'],
        ['C700010', null, '10004 1'],
        ['C700012', null, '10004 3'],
        ['C700013', null, '10001 2'],
        ['C700019', null, '10099 2'],
        // What it would match was bought a minute later.
        ['C700023', null, '10005 3'],
        // One of two, and then the other: the order is not cancelled twice by halves.
        ['C700021', '700009', '10004 1'],
        ['C700022', '700009', '10004 1']
      ]
    )
  })

  test('a product has the most frequent description and price, and as much stock as is sold', async () => {
    const { products, severalPrices } = planOf(await readHistory(fixture))
    assert.deepEqual(products.slice(0, 2), [
      { sku: '10001', title: 'BLUE ENAMEL MUG', price: '2.50', opening: 11 },
      { sku: '10002A', title: 'TEA TOWEL, STRIPED', price: '3.75', opening: 6 }
    ])
    assert.deepEqual(
      products.find(product => product.sku === '10099'),
      { sku: '10099', title: 'RAG DOLL', price: '4.95', opening: 0 }
    )
    assert.equal(severalPrices, 2)
  })

  test('the opening stock can be bounded per product, or be a share of what is sold', async () => {
    const history = await readHistory(fixture)
    const opening = (plan: Plan) => plan.products.slice(0, 2).map(product => product.opening)
    assert.deepEqual(opening(planOf(history, { atMost: 8 })), [8, 6])
    assert.deepEqual(opening(planOf(history, { share: 0.5 })), [5, 3])
  })

  test('whatever the history, the plan moves exactly the units of its usable rows, and takes back no more of an order than it had', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'histories-'))
    const file = join(folder, 'history.csv')
    const row = fc.record({
      invoice: fc.integer({ min: 1, max: 12 }),
      taken: fc.boolean(),
      // The last two are no products.
      code: fc.constantFrom('10001', '10002', '10003A', '10003a', 'POST', 'M'),
      description: fc.constantFrom('MUG', 'mug, "large"', ''),
      quantity: fc.integer({ min: -3, max: 9 }),
      price: fc.constantFrom('1.25', '0.0', 'free'),
      minute: fc.integer({ min: 10, max: 59 }),
      customer: fc.constantFrom('', '15001.0', '15002')
    })
    const csv = (rows: readonly (typeof row extends fc.Arbitrary<infer Row> ? Row : never)[]) =>
      [
        'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country',
        ...rows.map(({ invoice, taken, code, description, quantity, price, minute, customer }) =>
          [
            `${taken ? 'C' : ''}${invoice}`,
            code,
            `"${description.replaceAll('"', '""')}"`,
            taken ? -quantity : quantity,
            `2011-03-01 09:${minute}:00`,
            price,
            customer,
            'France'
          ].join(',')
        )
      ].join('\n')
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(row, { maxLength: 60 }), async rows => {
          await writeFile(file, csv(rows))
          const history = await readHistory(file)
          const plan = planOf(history)
          const usable = rows.filter(
            ({ code, quantity, description, price }) =>
              code.startsWith('1') && quantity > 0 && description !== '' && price === '1.25'
          )
          const units = (taken: boolean) =>
            usable.filter(each => each.taken === taken).reduce((total, each) => total + each.quantity, 0)
          const orders = new Map(of(plan, 'order').map(order => [order.invoice, order]))
          const cancelled = of(plan, 'cancellation').map(({ order }) => orders.get(order)!)
          assert.equal(unitsOf([...orders.values()]), units(false))
          assert.equal(unitsOf(cancelled) + unitsOf(of(plan, 'return')), units(true))
          assert.equal(
            plan.products.reduce((total, product) => total + product.opening, 0),
            units(false)
          )

          const unusable = Object.values(history.rows.unusable).reduce((total, count) => total + count, 0)
          assert.deepEqual([history.rows.read, history.rows.sold + history.rows.cancelled], [rows.length, usable.length])
          assert.equal(unusable, rows.length - usable.length)

          assert.deepEqual(
            plan.steps.map(step => step.at),
            plan.steps.map(step => step.at).sort()
          )
          assert.deepEqual(new Set(cancelled), new Set([...orders.values()].filter(order => order.cancelledLater)))
          assert.equal(new Set(cancelled).size, cancelled.length)
          for (const step of plan.steps) {
            if (step.kind !== 'order' && step.order !== null)
              assert.ok(
                plan.steps.indexOf(orders.get(step.order)!) < plan.steps.indexOf(step),
                'what is taken back was bought before'
              )
          }
          for (const order of orders.values()) {
            const back = of(plan, 'return').filter(each => each.order === order.invoice)
            if (order.cancelledLater) assert.deepEqual(back, [])
            for (const { sku, quantity } of order.lines) {
              const returned = back.flatMap(each => each.lines).filter(line => line.sku === sku)
              assert.ok(returned.reduce((total, line) => total + line.quantity, 0) <= quantity)
            }
          }
        }),
        { numRuns: 200 }
      )
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('a year-end month of a real shop', async t => {
    if (!(await stat(december).catch(() => undefined))) return t.skip(`the data is not beside the checkout: ${december}`)
    const history = await readHistory(december)
    const plan = planOf(history)
    assert.deepEqual(history.rows, {
      read: 42_481,
      sold: 41_317,
      cancelled: 698,
      unusable: { notAProduct: 193, noDescription: 63, correction: 70, noPrice: 140 }
    })
    assert.deepEqual(
      [
        of(plan, 'order').length,
        of(plan, 'cancellation').length,
        of(plan, 'return').length,
        plan.products.length,
        unitsOf(of(plan, 'order'))
      ],
      [1550, 5, 296, 2733, 358_751]
    )
  })
})
