/** A receiver of webhooks as quick as Node's HTTP is: answers 204; on /hangs not at all; of /timed it keeps what came when. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** `atNs` by the monotonic clock of the machine, which all its processes share. */
type Arrival = { body: string; atNs: string }

let arrivals: Arrival[] = []

const server = createServer((request, response) => {
  if (request.url === '/arrivals') {
    response.end(JSON.stringify(arrivals))
    arrivals = []
    return
  }
  if (request.url === '/timed') keep(request)
  request.resume().once('end', () => {
    if (request.url !== '/hangs') response.writeHead(204).end()
  })
})
server.keepAliveTimeout = 60_000

function keep(request: IncomingMessage): void {
  const chunks: Buffer[] = []
  const atNs = String(process.hrtime.bigint())
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.once('end', () => arrivals.push({ body: Buffer.concat(chunks).toString(), atNs }))
}

process.on('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
