/** A change of what a buyer pays, as the history keeps it and `PriceUpdated` tells it. */
import { PriceUpdated } from '#contracts/events/product-events.ts'
import { fromMinor, toMinor } from '#contracts/resources/money.ts'
import { type Announcement, announcement } from '#platform/messaging/outbox.ts'

export type PriceChanged = {
  variantId: string
  currency: string
  channel: string | null
  customerGroup: string | null
  minQuantity: number
  oldAmount: string | null
  newAmount: string | null
  priceListId: string | null
  cause: string
  effectiveAt: string
  /** Its number among those of the same variant, currency, channel, group and quantity. */
  sequence: number
}

/** The buyers that a base price is for: of no channel, no group and any quantity. */
export const anybody = { channel: null, customerGroup: null, minQuantity: 1 } as const

export function priceUpdated(productId: string, { sequence, ...change }: PriceChanged): Announcement {
  return announcement(PriceUpdated, { productId, ...change }, sequence)
}

/** What the wire says as minor units. */
export function minorOf(amount: string | null, currency: string): bigint | null {
  return amount === null ? null : toMinor(amount, currency)
}

/** Minor units as the wire says them. */
export function amountOf(minor: bigint | null, currency: string): string | null {
  return minor === null ? null : fromMinor(minor, currency)
}
