/** A receiver of webhooks as others have them: keeps what it was sent, and answers as a test says. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Received = { path: string; headers: IncomingHttpHeaders; body: string; id: string; at: number }

/** A status, or what is to be done with the answer. */
export type Answering = number | ((response: ServerResponse, received: Received) => void)

export interface WebhookReceiver extends AsyncDisposable {
  url: string
  /** In the order in which they came. */
  received: Received[]
  /** From now on; a function is asked each time. */
  answer: (received: Received) => Answering
}

export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { url: path = '', headers } = request
    const received = { path, headers, body: Buffer.concat(chunks).toString(), id: String(headers['webhook-id']), at: Date.now() }
    receiver.received.push(received)
    const answering = receiver.answer(received)
    if (typeof answering === 'number') response.writeHead(answering).end()
    else answering(response, received)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const receiver: WebhookReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: [],
    answer: () => 204,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
  return receiver
}
