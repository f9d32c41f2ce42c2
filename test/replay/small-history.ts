/** An order history that is played in seconds, and what a report says when all went well. */
import type { Report } from '../../scripts/replay/report.ts'

/** Sixty invoices of a shop that sells twelve things: every tenth is cancelled whole later, every seventh brings something back. */
export function smallHistory(): string {
  const rows = ['InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country']
  const row = (invoice: string, code: number, quantity: number, minute: number, customer: number) => {
    const at = `2011-05-02 ${String(9 + Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}:00`
    rows.push(`${invoice},${code},THING ${code},${quantity},${at},${(code % 7) + 0.5},${customer},France`)
  }
  for (let number = 0; number < 60; number++) {
    const lines = Array.from({ length: 1 + (number % 5) }, (_, line) => ({
      code: 30_000 + ((number * 5 + line * 3) % 12),
      quantity: 1 + ((number + line) % 4)
    }))
    for (const { code, quantity } of lines) row(`${800_000 + number}`, code, quantity, number * 2, 16_000 + number)
    if (number % 10 === 4)
      for (const { code, quantity } of lines) row(`C${900_000 + number}`, code, -quantity, number * 2 + 7, 16_000 + number)
    if (number % 7 === 5) row(`C${900_100 + number}`, lines[0]!.code, -1, number * 2 + 9, 16_000 + number)
  }
  return rows.join('\n')
}

/** What `wrongIn` gives for a replay that went well. */
export const nothingWrong = {
  ok: true,
  drift: 0,
  oversold: 0,
  lost: 0,
  twice: 0,
  deadLetters: 0,
  backlog: { outbox: 0, unpublished: 0, unhandled: 0, parked: 0 },
  findings: []
}
/** What went wrong in a replay, in figures. */
export const wrongIn = ({
  ok,
  stock: { drift, oversold },
  events: { lost, appliedTwice: twice, deadLettersOpen: deadLetters },
  backlog,
  findings
}: Report) => ({
  ok,
  drift,
  oversold,
  lost,
  twice,
  deadLetters,
  backlog,
  findings
})
