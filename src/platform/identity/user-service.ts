/** Asks the User Service who somebody is: `GET /users/{userId}`, through the client that every call to others takes. */
import { type Credentials, openHttpClient } from '../http/http-client.ts'
import type { AskUser } from './known-users.ts'
import type { ToldUser } from './known-users-store.ts'

export interface UserService extends AsyncDisposable {
  ask: AskUser
}

/** `url`, with its version prefix, and `credentials` are asked when they are needed: in one process the services start beside each other. */
export function openUserService(options: {
  url: () => string | undefined
  credentials: () => Credentials | undefined
}): UserService {
  const client = openHttpClient({
    name: 'user-service',
    url: options.url,
    credentials() {
      const found = options.credentials()
      if (!found) throw new Error('TOKEN_URL does not say who lets this service ask about users')
      return found
    },
    connections: 8,
    tries: 2,
    tryTimeoutMs: 1000,
    timeoutMs: 2000,
    // Whoever waits for the same user shares the answer.
    shared: true,
    bytesMax: 65_536,
    probe: '/health/ready'
  })
  return {
    async ask(userId) {
      const { status, body } = await client.call<unknown>('GET', `/users/${encodeURIComponent(userId)}`)
      // 400: an id that no user of it can have.
      if (status === 404 || status === 400) return undefined
      if (status !== 200) throw new Error(`the User Service answered ${status}`)
      return toldUser(userId, body)
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]()
  }
}

const ROLES_MAX = 1000

/** Throws for what does not say who this user is: it allows nothing, and is no refusal of the user either. */
function toldUser(userId: string, body: unknown): ToldUser {
  const { userId: of, roles, status, version } = (body ?? {}) as Record<string, unknown>
  const isUser =
    of === userId &&
    typeof status === 'string' &&
    Array.isArray(roles) &&
    roles.length <= ROLES_MAX &&
    roles.every(role => typeof role === 'string' && !role.includes('\0')) &&
    !status.includes('\0')
  if (!isUser) throw new Error('the User Service answered something that is no user')
  return { userId, roles, status, version: Number.isSafeInteger(version) ? (version as number) : undefined }
}
