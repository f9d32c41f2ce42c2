import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { armFailpoints, failpoint } from './failpoint.ts'

const module = new URL('./failpoint.ts', import.meta.url).href

test('a place that is not armed costs nothing to wait for', () => {
  assert.equal(failpoint('relay.after-move'), undefined)
})

test('a text that arms nothing is refused with what is wrong', () => {
  assert.throws(() => armFailpoints('relay.after-lunch=kill'), /'relay.after-lunch=kill' arms no failpoint/)
  assert.throws(() => armFailpoints('relay.after-move=explode'), /arms no failpoint/)
})

test('the process dies at the nth passage, and not before', () => {
  const code = `
    const { armFailpoints, failpoint } = await import('${module}')
    armFailpoints('outlet.after-publish=kill:1@3')
    for (const n of [1, 2, 3, 4]) { await failpoint('outlet.after-publish'); await failpoint('relay.after-move'); console.log(n) }`
  const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  assert.equal(signal, 'SIGKILL')
  assert.equal(stdout, '1\n2\n')
})
