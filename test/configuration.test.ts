import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseEnv } from 'node:util'
import { readConfig, settings } from '#platform/config.ts'

const example = readFileSync(join(import.meta.dirname, '../.env.example'), 'utf8')

test('.env.example as it is sets nothing', () => {
  assert.deepEqual(parseEnv(example), {})
})

test('.env.example with every comment sign taken away sets every setting to its default', () => {
  const environment = parseEnv(example.replaceAll(/^#(?=\w+=)/gm, ''))
  assert.deepEqual(new Set(Object.keys(environment)), new Set(Object.keys(settings.properties)))
  assert.deepEqual(readConfig(environment), readConfig({}))
})
