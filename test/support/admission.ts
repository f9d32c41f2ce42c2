import type { Admission } from '#platform/http/http-admission.ts'

/** Lets everybody through a gateway, as often as they like: for tests of what it does with them then. */
export const everybody: Admission = {
  authenticator: {
    authenticate() {
      throw new Error('nobody is asked who they are')
    }
  },
  isOpen: () => true,
  quotas: { client: 0, address: 0, failures: 0 },
  inFlightClientMax: 1000
}
