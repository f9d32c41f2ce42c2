/** Everything that can run, as one table: `npm start` runs all of it in one process, `npm start -- product.api` one role. */
import type { Part, Service } from '#platform/service.ts'
import { orderService } from './services/order/service.ts'
import { productService } from './services/product/service.ts'
import { searchService } from './services/search/service.ts'
import { userService } from './services/user/service.ts'

export type Role = { service: Service; parts: readonly Part[] } | 'gateway'

const whole = ['relay', 'consumers', 'timers', 'api'] as const

export const roles: Readonly<Record<string, Role>> = {
  user: { service: userService, parts: whole },
  'product.api': { service: productService, parts: ['api'] },
  'product.relay': { service: productService, parts: ['relay'] },
  'product.consumers': { service: productService, parts: ['consumers'] },
  'product.timers': { service: productService, parts: ['timers'] },
  'product.webhooks': { service: productService, parts: ['webhooks'] },
  order: { service: orderService, parts: whole },
  search: { service: searchService, parts: whole },
  gateway: 'gateway'
}

/** Every service, once, whatever roles run of it. */
export const services: readonly Service[] = [
  ...new Set(Object.values(roles).flatMap(role => (role === 'gateway' ? [] : [role.service])))
]

/** The roles that names stand for: none means all, `product` means every role of the Product Service. Throws `UnknownRole`. */
export function rolesOf(names: readonly string[]): string[] {
  if (names.length === 0) return Object.keys(roles)
  const chosen = names.flatMap(name => {
    const matching = Object.keys(roles).filter(role => role === name || role.startsWith(`${name}.`))
    if (matching.length === 0) throw new UnknownRole(name)
    return matching
  })
  return [...new Set(chosen)]
}

export class UnknownRole extends Error {
  constructor(name: string) {
    super(
      `There is no role ${name}. There are ${Object.keys(roles).join(', ')}, and product for every role of the Product Service.`
    )
    this.name = 'UnknownRole'
  }
}
