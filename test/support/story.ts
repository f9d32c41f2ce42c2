import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'

/** The story of the README as one script, against http://localhost:8080, and the lines that it must print. */
export async function readStory(): Promise<{ script: string; prints: string[] }> {
  const readme = await readFile('README.md', 'utf8')
  const blocks = [...readme.matchAll(/<!-- story -->\n```sh\n([\s\S]*?)```/g)].map(match => match[1]!)
  assert.ok(blocks.length >= 5)
  return { script: blocks.join('\n'), prints: ['Copper kettle', 'confirmed', '6', 'rejected', '6', 'cancelled', '10', '0'] }
}
