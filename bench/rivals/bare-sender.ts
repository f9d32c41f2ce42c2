/** What sending webhooks is with nothing around it: one HMAC each, connections that stay open, and nobody writes down how it went. */
import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { Pool } from 'undici'

/** Sends these bodies again and again for so long, and gives back how many were answered. */
export async function sendBare(url: string, bodies: readonly string[], connections: number, seconds: number): Promise<number> {
  const pool = new Pool(new URL(url).origin, { connections })
  const secret = randomBytes(32)
  const until = performance.now() + seconds * 1000
  let sent = 0
  const sender = async () => {
    while (performance.now() < until) {
      const body = bodies[sent % bodies.length]!
      sent++
      const reply = await pool.request({ method: 'POST', path: new URL(url).pathname, headers: signed(body, secret), body })
      await reply.body.dump()
      if (reply.statusCode !== 204) throw new Error(`the receiver answered ${reply.statusCode}`)
    }
  }
  await Promise.all(Array.from({ length: connections }, sender)).finally(() => pool.destroy())
  return sent
}

function signed(body: string, secret: Buffer): Record<string, string> {
  const id = randomUUID()
  const at = String(Math.floor(Date.now() / 1000))
  const signature = createHmac('sha256', secret).update(`${id}.${at}.${body}`).digest('base64')
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': at,
    'webhook-signature': `v1,${signature}`
  }
}
