import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as google from './google-merchant-columns.ts'
import * as shopify from './shopify-columns.ts'

const page = readFileSync(new URL('../../../../../docs/how-to/import-a-catalog.md', import.meta.url), 'utf8')

test('the how-to names every column that an import knows, and what it becomes', () => {
  const columns = [
    ...Object.values(shopify.members).flat(),
    ...shopify.attributes.flatMap(({ names, key }) => [...names, key]),
    ...google.members,
    ...Object.keys(google.options),
    ...google.ofVariants
  ]
  assert.deepEqual(
    columns.filter(name => !page.includes(`\`${name}\``)),
    []
  )
})

test('an attribute has one column of each format, by names that no other column has', () => {
  const names = [...Object.values(shopify.members).flat(), ...shopify.attributes.flatMap(column => column.names)]
  const lower = names.map(name => name.toLowerCase())
  assert.equal(new Set(lower).size, lower.length)
  assert.equal(new Set(shopify.attributes.map(({ key }) => key)).size, shopify.attributes.length)
})
