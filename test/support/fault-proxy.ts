/**
 * A TCP line between a client and a server, with the faults of real networks: cut, reset, silent (half-open), slow, and one that
 * PostgreSQL's notifications do not pass. For servers whose clients stay on the address they were given.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { withoutNotifications } from './postgres-frames.ts'

export type Weather = {
  /** Every piece arrives so much later; those in between are on their way meanwhile. */
  latencyMs?: number
  /** Pieces queue up behind a narrow place. */
  bytesPerSecond?: number
  /** Nothing passes and nobody is told: open connections hang, and so do new ones. */
  silent?: boolean
  /** PostgreSQL's LISTEN seems to work and never hears anything. */
  notificationsLost?: boolean
}

export type FaultProxy = AsyncDisposable & {
  /** The server's URL, through the line. */
  url: string
  /** Breaks every connection in order and refuses new ones until `heal`. */
  cut(): void
  /** Breaks every connection with RST; new ones are well. */
  reset(): void
  /** From now on, for open connections and new ones. */
  weather(weather: Weather): void
  /** All is well again. Connections that have lost something break, as they do when a side finds out. */
  heal(): void
  /** New connections go to another server: the open ones break. */
  lead(url: string): void
  /** Connections that are open now. */
  readonly open: number
}

/** Opens a line to the host and port of `url`. */
export async function openFaultProxy(url: string): Promise<FaultProxy> {
  const lines = new Set<Line>()
  let target = new URL(url)
  let weather: Weather = {}
  let whole = true

  const server = createServer({ allowHalfOpen: true }, near => {
    if (!whole) return near.resetAndDestroy()
    const far = connect({ port: Number(target.port), host: target.hostname, allowHalfOpen: true })
    const line = openLine(near, far, () => weather)
    lines.add(line)
    for (const socket of [near, far]) socket.once('close', () => near.closed && far.closed && lines.delete(line))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const through = new URL(url)
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`

  const breakAll = (how: 'end' | 'reset', which: (line: Line) => boolean = () => true) => {
    for (const line of lines) if (which(line)) line.break(how)
  }

  return {
    url: through.href,
    cut() {
      whole = false
      breakAll('end')
    },
    reset: () => breakAll('reset'),
    weather(next) {
      weather = next
    },
    heal() {
      whole = true
      weather = {}
      breakAll('reset', line => line.hasLost)
    },
    lead(next) {
      target = new URL(next)
      breakAll('reset')
    },
    get open() {
      return lines.size
    },
    async [Symbol.asyncDispose]() {
      breakAll('reset')
      server.close()
    }
  }
}

type Line = { hasLost: boolean; break(how: 'end' | 'reset'): void }

/** What is on its way in one direction, at most: a sender that is faster waits. */
const UNDER_WAY_MAX = 1024 * 1024

function openLine(near: Socket, far: Socket, weather: () => Weather): Line {
  let broken = false
  const line: Line = {
    hasLost: false,
    break(how) {
      // Destroyed before its reset is through, a socket would keep its handle.
      if (broken) return
      broken = true
      for (const socket of [near, far]) {
        if (how === 'reset' && socket.readyState !== 'opening' && !socket.writableEnded) socket.resetAndDestroy()
        else socket.destroy()
      }
    }
  }
  carry(near, far, chunk => chunk)
  const heard = withoutNotifications()
  carry(far, near, chunk => (weather().notificationsLost ? heard(chunk, true) : heard(chunk, false)))
  for (const socket of [near, far]) {
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.once('close', () => {
      // A side that goes away in silence is not heard of by the other.
      if (weather().silent) line.hasLost = true
      else line.break('end')
    })
  }
  return line

  function carry(from: Socket, to: Socket, filter: (chunk: Buffer) => Buffer): void {
    let underWay = 0
    let arrived = Promise.resolve()
    from.on('data', chunk => {
      const { latencyMs = 0, bytesPerSecond, silent } = weather()
      if (silent) {
        line.hasLost = true
        return
      }
      const due = performance.now() + latencyMs
      underWay += chunk.length
      if (underWay > UNDER_WAY_MAX) from.pause()
      arrived = arrived.then(async () => {
        await until(due)
        if (bytesPerSecond) await until(performance.now() + (chunk.length / bytesPerSecond) * 1000)
        if (weather().silent) line.hasLost = true
        else if (!to.destroyed && !to.write(filter(chunk))) await drained(to)
        underWay -= chunk.length
        if (underWay <= UNDER_WAY_MAX && from.isPaused()) from.resume()
      })
    })
    from.once('end', () => void arrived.then(() => weather().silent || to.end()))
  }
}

function until(due: number): Promise<void> | undefined {
  const ms = due - performance.now()
  return ms > 0 ? new Promise(resolve => setTimeout(resolve, ms)) : undefined
}

function drained(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}
