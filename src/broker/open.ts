import type { Broker, BrokerLog } from './broker.ts'

export type BrokerOptions = { url: string; log?: BrokerLog; applicationName?: string }

/** The driver for each scheme of a broker's URL. */
const drivers: Record<string, ((options: BrokerOptions) => Promise<Broker>) | undefined> = {
  postgres: async options => (await import('./postgres.ts')).openPostgresBroker(options),
  postgresql: async options => (await import('./postgres.ts')).openPostgresBroker(options),
  amqp: undefined,
  amqps: undefined,
  kafka: undefined
}

/** Opens the broker that the URL names. */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  const scheme = options.url.split(':', 1)[0]!.toLowerCase()
  if (!Object.hasOwn(drivers, scheme))
    throw new Error(`a broker's URL starts with postgres://, amqp:// or kafka://, not with '${scheme}'`)
  const open = drivers[scheme]
  if (!open) throw new Error(`this build does not carry the driver for ${scheme}:// yet; use postgres://`)
  return open(options)
}
