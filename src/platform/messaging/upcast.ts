/** Reading what was sent in an older version of an event's contract as if it had been sent in the newest. */
import type { EventContract } from '#contracts/define.ts'
import { type Envelope, envelopeNames } from '#contracts/envelope.ts'
import { faultsOfAccepted } from './events.ts'

type Event = Envelope & Record<string, unknown>

/** An event of version `sent`, which is valid, in version `wanted`; or why its contract cannot say it. */
export function upcast(wanted: EventContract, sent: EventContract, event: Event): { event: Event } | { fault: string } {
  if (wanted.version === sent.version) return { event }
  const unreadable = (why: unknown) => ({ fault: `version ${sent.version} cannot be read as ${wanted.version}: ${why}` })
  try {
    const current = raised(wanted, sent, event)
    const fault = faultsOfAccepted(wanted, current)
    return fault ? unreadable(fault) : { event: current }
  } catch (error) {
    return unreadable(error)
  }
}

function raised(wanted: EventContract, sent: EventContract, event: Event): Event {
  const { version, previous } = wanted
  if (version === sent.version || !previous) return event
  const [envelope, data] = apart(raised(previous.event, sent, event))
  return { ...envelope, ...previous.upcast(data), eventVersion: version } as Event
}

function apart(event: Event): [envelope: Record<string, unknown>, data: Record<string, unknown>] {
  const isEnvelope = ([name]: [string, unknown]) => (envelopeNames as readonly string[]).includes(name)
  const members = Object.entries(event)
  return [Object.fromEntries(members.filter(isEnvelope)), Object.fromEntries(members.filter(member => !isEnvelope(member)))]
}
