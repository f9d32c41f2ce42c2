import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openWorld } from '../support/world.ts'

test('the story of the README works as it is printed', async () => {
  const readme = await readFile('README.md', 'utf8')
  const blocks = [...readme.matchAll(/<!-- story -->\n```sh\n([\s\S]*?)```/g)].map(match => match[1]!)
  assert.ok(blocks.length >= 5)
  await using world = await openWorld()
  const { url } = await world.start()
  const script = blocks.join('\n').replace('http://localhost:8080', url)
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script])
  assert.deepEqual(stdout.trim().split('\n'), ['Copper kettle', 'confirmed', '6', 'rejected', '6', 'cancelled', '10', '0'])
})
