import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type RunningService, runService } from '../../../test/support/service.ts'
import { userService } from './service.ts'

describe('the user service', () => {
  let service: RunningService
  before(async () => {
    service = await runService(userService)
  })
  after(() => service[Symbol.asyncDispose]())

  test('a user can be read, and is known again by its ETag', async () => {
    const { status, headers, body } = await service.request('GET', '/v1/users/u-1')
    assert.equal(status, 200)
    assert.equal(headers.get('etag'), '"1"')
    assert.deepEqual([body.userId, body.roles, body.status, body.version], ['u-1', ['customer'], 'active', 1])
    const again = await service.request('GET', '/v1/users/u-1', undefined, { 'if-none-match': '"1"' })
    assert.equal(again.status, 304)
  })

  test('an unknown user is not found, and is not made by changing it', async () => {
    for (const [method, body] of [['GET'], ['PATCH', { name: 'Nobody' }]] as const) {
      const reply = await service.request(method, '/v1/users/u-404', body)
      assert.deepEqual([reply.status, reply.body.code], [404, 'not-found'])
    }
  })

  test('a change is announced as UserUpdated with the whole state and the next sequence', async () => {
    const { status, body } = await service.request('PATCH', '/v1/users/u-2', { roles: ['merchandiser', 'operator'] })
    assert.deepEqual([status, body.version, body.name], [200, 2, 'Ben Okafor'])
    const events = (await service.announced()).filter(event => event.userId === 'u-2')
    assert.deepEqual(
      events.map(({ eventType, source, sequence, roles, status }) => ({ eventType, source, sequence, roles, status })),
      [
        {
          eventType: 'UserUpdated',
          source: '/user-service',
          sequence: 2,
          roles: ['merchandiser', 'operator'],
          status: 'active'
        }
      ]
    )
  })

  test('a change that makes no difference is neither a version nor an event', async () => {
    const before = await service.announced()
    const { status, body } = await service.request('PATCH', '/v1/users/u-1', { status: 'active', name: 'Ada Kovacs' })
    assert.deepEqual([status, body.version], [200, 1])
    assert.equal((await service.announced()).length, before.length)
  })

  test('a change against another version is refused and changes nothing', async () => {
    const { status, headers, body } = await service.request('PATCH', '/v1/users/u-3', { name: 'X' }, { 'if-match': '"7"' })
    assert.deepEqual([status, body.code, headers.get('etag')], [412, 'precondition-failed', '"1"'])
    assert.equal((await service.request('GET', '/v1/users/u-3')).body.name, 'Chloé Martin')
  })
})
