/**
 * Named places where tests end the process or hold it up: the moments at which a crash would hurt most. In a process that was
 * not told of any, reaching one costs a comparison.
 */
import { setTimeout as delay } from 'node:timers/promises'

/** Every place there is, with what has happened there and what has not. */
export const failpoints = {
  'api.before-commit': 'a write has its outbox rows; nothing is committed',
  'api.after-commit': 'a write is committed; nobody has been answered',
  'relay.after-move': 'events are in the log; nobody was told',
  'outlet.before-publish': 'events were read from the log; the broker has none of them',
  'outlet.after-publish': 'the broker has accepted; the cursor has not moved',
  'outlet.after-cursor': 'the cursor has moved',
  'consume.before-transaction': 'a message has arrived; nothing has begun',
  'consume.in-transaction': 'the behaviour has run; nothing is committed',
  'consume.after-commit': 'the effect is committed; the broker has no acknowledgement',
  'webhooks.after-fan-out': 'what goes where is written down; nobody was told',
  'webhooks.before-send': 'a delivery is signed; the receiver has nothing of it',
  'webhooks.after-send': 'the receiver has answered; nothing is recorded',
  'webhooks.before-record': 'receivers have answered; nothing is recorded',
  'retry.in-transaction': 'a parked message was handled; nothing is committed',
  'audit.in-seal': 'audit records are in the chain; nothing is committed',
  'audit.after-seal': 'audit records are in the chain; where it stands is not signed'
} as const
export type Failpoint = keyof typeof failpoints

type Armed = { action: 'kill' | 'hold'; after: number; holdMs: number }

let armed: Map<string, Armed> | undefined

/**
 * Arms the failpoints of a text such as `outlet.after-publish=kill@3,consume.in-transaction=hold:500`: kill the process with SIGKILL
 * when the place is reached for the third time, hold up every passage by 500 ms. `kill:50` waits 50 ms first, until what was sent has
 * arrived. Throws for what it does not know.
 */
export function armFailpoints(text: string): void {
  armed = new Map(
    text.split(',').map(each => {
      const [, name, action, ms, after] = /^([a-z.-]+)=(kill|hold)(?::(\d+))?(?:@(\d+))?$/.exec(each) ?? []
      if (!name || !Object.hasOwn(failpoints, name)) throw new Error(`'${each}' arms no failpoint; see src/platform/failpoint.ts`)
      return [name, { action: action as Armed['action'], after: Number(after ?? 1), holdMs: Number(ms ?? 0) }]
    })
  )
}

/** Reaches a place. Resolves at once unless it is armed. */
export function failpoint(name: Failpoint): Promise<void> | undefined {
  return armed && reached(name)
}

async function reached(name: Failpoint): Promise<void> {
  const point = armed!.get(name)
  if (!point) return
  if (--point.after > 0) return
  await delay(point.holdMs)
  if (point.action === 'kill') process.kill(process.pid, 'SIGKILL')
}
