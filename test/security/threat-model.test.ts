import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')

/** What a threat model leaves open: risks without a row, rows without a test, links that lead nowhere. */
function gapsIn(document: string): string[] {
  const links = [...document.matchAll(/\]\(([^)#]+)\)/g)].map(([, path]) => path!).filter(path => !/^https?:/.test(path))
  const rows = document.split('\n').filter(line => /^\| API\d+ /.test(line))
  const risks = Array.from({ length: 10 }, (_, index) => `API${index + 1}`)
  return [
    ...risks.filter(risk => !rows.some(row => row.startsWith(`| ${risk} `))).map(risk => `${risk} has no row`),
    ...rows.filter(row => !/\]\([^)]+\.test\.ts\)/.test(row)).map(row => `${row.split(' ')[1]} has no test`),
    ...links.filter(path => !existsSync(join(root, path))).map(path => `${path} is not there`)
  ]
}

test('every risk of the OWASP API Top 10 has tests in SECURITY.md, and every link in it leads somewhere', () => {
  assert.deepEqual(gapsIn(readFileSync(join(root, 'SECURITY.md'), 'utf8')), [])
})

test('a risk without a test, or a link that leads nowhere, would be found', () => {
  const gaps = gapsIn('| API1 x | y | none |\n| API2 x | [gone](test/gone.test.ts) |')
  assert.ok(
    gaps.includes('API1 has no test') && gaps.includes('test/gone.test.ts is not there') && gaps.includes('API3 has no row')
  )
})
