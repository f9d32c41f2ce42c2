/** How every HTTP client of ours connects: with TLS always verified, and with our own certificate for servers that ask for one. */
import { Agent, buildConnector, request } from 'undici'
import { introduction } from '../tls/tls-outgoing.ts'

/** Who we are is asked at each connection: certificates change while a process runs. */
export function connector(timeoutMs: number): buildConnector.connector {
  return (to, done) => buildConnector({ timeout: timeoutMs, rejectUnauthorized: true, ...introduction() })(to, done)
}

/** Whether a GET is answered with success within the time: as it is now, without retries or anything else that remembers. */
export async function answers(url: URL, withinMs: number): Promise<boolean> {
  const agent = new Agent({ connect: connector(withinMs) })
  try {
    const { statusCode, body } = await request(url, { dispatcher: agent, signal: AbortSignal.timeout(withinMs) })
    await body.dump({ limit: 65_536, signal: AbortSignal.timeout(withinMs) })
    return statusCode >= 200 && statusCode < 300
  } catch {
    return false
  } finally {
    await agent.destroy()
  }
}
