import { getCACertificates } from 'node:tls'

/** PEM texts: whom to trust beside the system's authorities, and our own certificate where the broker asks for one. */
export type BrokerTls = { ca?: string; cert?: string; key?: string }

/** The same for every driver. What `ca` names comes to the authorities that this process trusts anyway, and does not replace them. */
export function brokerTls({ ca, cert, key }: BrokerTls = {}): { ca?: string[]; cert?: string; key?: string } {
  return {
    ...(ca ? { ca: [...getCACertificates('default'), ca] } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {})
  }
}
