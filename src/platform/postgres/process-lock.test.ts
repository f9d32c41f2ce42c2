import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { liveClaims, lockDirectory, newClaim, processIdentity } from './process-lock.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'process-lock-'))
})

after(() => rm(folder, { recursive: true, force: true }))

test('many waiters behind a dead holder get their turns one at a time, and leave nothing behind', async () => {
  await mkdir(join(folder, 'lock'))
  await writeFile(join(folder, 'lock', deadClaim()), '')
  let inside = 0
  const turns = Array.from({ length: 10 }, async () => {
    await using _lock = await lockDirectory(folder)
    inside += 1
    for (let i = 0; i < 5; i++) await turn()
    assert.equal(inside, 1)
    inside -= 1
  })
  await Promise.all(turns)
  assert.deepEqual(await readdir(folder), [])
})

test('a waiter says who holds the folder when it gives up', async () => {
  await using _lock = await lockDirectory(folder)
  await assert.rejects(lockDirectory(folder, 0), new RegExp(`held by process ${process.pid} .*start again`))
})

test('a claim of a process that is gone, or whose pid another process has now, is not live', {
  skip: process.platform !== 'linux'
}, async () => {
  const mine = newClaim()
  for (const claim of [mine, deadClaim(), `${process.pid}-1.x`]) await writeFile(join(folder, claim), '')
  assert.deepEqual(await liveClaims(folder), [mine])
  assert.equal(processIdentity(2 ** 22 + 1), undefined)
  await rm(join(folder, mine))
})

function deadClaim(): string {
  return `${2 ** 22 + 1}-1.dead`
}
