import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { readStory } from '../support/story.ts'
import { openWorld } from '../support/world.ts'

test('the story of the README works as it is printed', async () => {
  const { script, prints } = await readStory()
  await using world = await openWorld()
  const { url } = await world.start()
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script.replace('http://localhost:8080', url)])
  assert.deepEqual(stdout.trim().split('\n'), prints)
})
