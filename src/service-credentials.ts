import type { Config } from '#platform/config.ts'
import type { Credentials } from '#platform/http/http-client.ts'
import { developmentClients } from './services/user/development-clients.ts'

/** By what services ask each other: what is configured, else in development a fixed client. None: they cannot. */
export function serviceCredentials(config: Config, developmentIssuer: string): Credentials | undefined {
  const { TOKEN_URL: tokenUrl, CLIENT_ID: clientId, CLIENT_SECRET: clientSecret } = config
  if (tokenUrl && clientId && clientSecret) return { tokenUrl, clientId, clientSecret }
  if (config.NODE_ENV === 'production') return undefined
  const fixed = developmentClients.find(client => client.clientId === 'services')!
  return { tokenUrl: tokenUrl ?? `${developmentIssuer}/token`, clientId: fixed.clientId, clientSecret: fixed.secret }
}
