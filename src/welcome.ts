/** What a person sees when everything runs: where it is, a token, and a first command that works as printed. */
import { developmentClients } from './services/user/development-clients.ts'

export async function welcome(url: string): Promise<void> {
  const admin = developmentClients.find(client => client.clientId === 'admin')!
  const reply = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${admin.clientId}:${admin.secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' })
  })
  const { access_token: token } = (await reply.json()) as { access_token: string }
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
