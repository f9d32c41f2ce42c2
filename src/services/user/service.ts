/**
 * The reference User Service. It shows its half of two conversations: others ask who a user is (`GET /users/{userId}`), and it says
 * when that has changed (`UserUpdated`), so that they need not ask again. In development it issues access tokens as well.
 * A real one adds registration, credentials, erasure, and an identity provider of its own in place of the development issuer.
 */
import { userApi } from '#contracts/http/user-api.ts'
import { read, write } from '#platform/http/handlers.ts'
import { defineService } from '#platform/service.ts'
import { developmentIssuer } from './development-issuer.ts'
import { getUser } from './get-user.ts'
import { loadUsers } from './load-users.ts'
import { updateUser } from './update-user.ts'

export const userService = defineService({
  name: 'user',
  migrations: new URL('./migrations/', import.meta.url),
  api: userApi,
  handlers: {
    getUser: read(getUser),
    updateUser: write(updateUser)
  },
  consumers: {},
  timers: [],
  users: loadUsers,
  extend: developmentIssuer
})
