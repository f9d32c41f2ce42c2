/** How long a body may take to arrive: half a minute as a whole, or, for one that is read as it comes, as long as it keeps coming. */
import type { IncomingMessage } from 'node:http'

const BODY_MS_MAX = 30_000
const SILENCE_MS_MAX = 30_000

type Deadline = { timer: NodeJS.Timeout; late: () => void }
const deadlines = new WeakMap<IncomingMessage, Deadline>()

/** Calls `late` once if the body is not there in time. Without a body nothing is waited for. */
export function limitBody(request: IncomingMessage, late: () => void, bodyMsMax = BODY_MS_MAX): void {
  if (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined) return
  if (request.headers['content-length'] === '0') return
  const end = () => clearTimeout(deadlines.get(request)?.timer)
  deadlines.set(request, { timer: setTimeout(late, bodyMsMax).unref(), late })
  request.once('end', end).once('close', end)
}

/** From now on the body may take as long as it likes, if only it does not fall silent. */
export function keepBodyComing(request: IncomingMessage, silenceMsMax = SILENCE_MS_MAX): void {
  const deadline = deadlines.get(request)
  if (!deadline) return
  clearTimeout(deadline.timer)
  let seen = 0
  // Silence of the sender, not of the reader: what nobody has read yet is here.
  const timer = setInterval(() => {
    const { bytesRead } = request.socket
    if (bytesRead === seen && request.readableLength === 0) deadline.late()
    seen = bytesRead
  }, silenceMsMax)
  deadline.timer = timer.unref()
}
