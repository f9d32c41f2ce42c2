import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A line to a broker that can be cut. */
export type Line = AsyncDisposable & {
  /** The broker's URL, through the line. */
  url: string
  /** Breaks every connection without a word and refuses new ones, until it is disposed. */
  cut(): Promise<AsyncDisposable>
}

/** For brokers whose clients stay on the address they were given. */
export async function openLine(url: string): Promise<Line> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  let whole = true

  const server = createServer(near => {
    if (!whole) return near.destroy()
    const far = connect(Number(target.port), target.hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.pipe(far).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const through = new URL(url)
  through.host = `127.0.0.1:${(server.address() as { port: number }).port}`

  function breakAll(): void {
    for (const socket of sockets) socket.destroy()
  }

  return {
    url: through.href,
    async cut() {
      whole = false
      breakAll()
      return {
        async [Symbol.asyncDispose]() {
          whole = true
        }
      }
    },
    async [Symbol.asyncDispose]() {
      breakAll()
      server.close()
    }
  }
}
