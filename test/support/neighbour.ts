/** Somebody else's service over HTTP, behind a line with the faults of real networks: it keeps what it was asked and answers as told. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type FaultProxy, openFaultProxy } from './fault-proxy.ts'

export type Asked = { method: string; path: string; headers: IncomingMessage['headers']; body: string }

export interface Neighbour extends AsyncDisposable {
  /** Through the line. */
  url: string
  line: FaultProxy
  asked: Asked[]
  /** Answers from now on, if need be by what is asked; without a status, never until the asker has gone. */
  answer(status: number | undefined | ((asked: Asked) => number), body?: unknown, headers?: Record<string, string>): void
  /** Requests that have no answer yet. */
  readonly waiting: number
}

export async function startNeighbour(): Promise<Neighbour> {
  const asked: Asked[] = []
  let waiting = 0
  let answer = (response: ServerResponse, _asked: Asked) => void response.writeHead(200, JSON_TYPE).end('{}')
  const server = createServer(async (request, response) => {
    waiting++
    response.once('close', () => waiting--)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url = '', headers } = request
    const one = { method, path: url, headers, body: Buffer.concat(chunks).toString() }
    asked.push(one)
    answer(response, one)
  })
  // What it would close in between, a busy client finds out too late.
  server.keepAliveTimeout = 600_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const line = await openFaultProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return {
    url: line.url,
    line,
    asked,
    answer(status, body = {}, headers = {}) {
      answer = (response, one) => {
        const told = typeof status === 'function' ? status(one) : status
        if (told !== undefined) response.writeHead(told, { ...JSON_TYPE, ...headers }).end(JSON.stringify(body))
      }
    },
    get waiting() {
      return waiting
    },
    async [Symbol.asyncDispose]() {
      await line[Symbol.asyncDispose]()
      server.closeAllConnections()
      server.close()
    }
  }
}

const JSON_TYPE = { 'content-type': 'application/json' }
