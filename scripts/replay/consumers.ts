/** Who must react to which events, from the services' own tables: a consumer that is added is audited too. */
import { readConfig } from '#platform/config.ts'
import { services } from '../../src/roles.ts'

export type ConsumerGroup = { name: string; service: string; topics: string[]; types: string[] }

export function serviceNames(): string[] {
  return services.map(service => service.name)
}

export function consumerGroups(): ConsumerGroup[] {
  return services.flatMap(service => {
    const consumers = typeof service.consumers === 'function' ? service.consumers(readConfig({})) : service.consumers
    return Object.entries(consumers).map(([name, reactions]) => ({
      name: `${service.name}.${name}`,
      service: service.name,
      topics: [...new Set(reactions.map(reaction => reaction.event.topic))],
      types: reactions.map(reaction => reaction.event.type)
    }))
  })
}
