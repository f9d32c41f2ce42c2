/** What a person sees when everything runs: where it is, a token, and a first command that works as printed. */
import { fetchToken } from '#platform/http/http-client.ts'
import { developmentClients } from './services/user/development-clients.ts'

export async function welcome(url: string): Promise<void> {
  const { clientId, secret } = developmentClients.find(client => client.clientId === 'admin')!
  const { value: token } = await fetchToken({ tokenUrl: `${url}/oauth/token`, clientId, clientSecret: secret })
  process.stdout.write(`
  The Product Service and its neighbours are running.

    API         ${url}/v1
    Try it out  ${url}/docs
    Health      ${url}/health/ready

  A token for everything (an hour):

    TOKEN=${token}

  Your first request:

    curl -s '${url}/v1/products?limit=1' -H "Authorization: Bearer ${token}"

`)
}
