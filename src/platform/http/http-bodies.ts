/** How long a body may take to arrive: half a minute as a whole, or, for one that is read as it comes, as long as it keeps coming. */
import type { IncomingMessage, ServerResponse } from 'node:http'

const BODY_MS_MAX = 30_000
const SILENCE_MS_MAX = 30_000

type Deadline = { timer: NodeJS.Timeout; late: () => void }
const deadlines = new WeakMap<IncomingMessage, Deadline>()

/** Calls `late` once if the body is not there in time. Without a body nothing is waited for. */
export function limitBody(request: IncomingMessage, late: () => void): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  if (encoding === undefined && (length === undefined || length === '0')) return
  const arrive = () => clearTimeout(deadlines.get(request)?.timer)
  // What is here to its end, and read by nobody, is not late.
  const timer = setTimeout(() => request.complete || late(), BODY_MS_MAX)
  deadlines.set(request, { timer: timer.unref(), late })
  request.once('end', arrive).once('close', arrive)
}

/** From now on the body may take as long as it likes, if only it does not fall silent. */
export function keepBodyComing(request: IncomingMessage): void {
  const deadline = deadlines.get(request)
  if (!deadline) return
  clearTimeout(deadline.timer)
  let seen = request.socket.bytesRead
  deadline.timer = setInterval(() => {
    const { bytesRead } = request.socket
    // Silence of the sender, not of the reader: what nobody has read yet is here.
    if (bytesRead === seen && request.readableLength === 0 && !request.complete) {
      clearTimeout(deadline.timer)
      deadline.late()
    }
    seen = bytesRead
  }, SILENCE_MS_MAX).unref()
}

const LINGER_MS = 5_000

/**
 * The answer is there and the body still coming: a client that goes on sending reads the answer only if its bytes go on being taken for a
 * moment, also where it asked to close. Then the connection ends. Called before the answer is sent.
 */
export function letBodyGo(request: IncomingMessage, reply: ServerResponse): void {
  if (!deadlines.has(request) || request.complete || request.destroyed) return
  const { socket } = request
  reply.shouldKeepAlive = request.httpVersion !== '1.0'
  reply.once('finish', () => setTimeout(() => request.complete || socket.destroy(), LINGER_MS).unref())
  request.resume()
}
