import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Value } from 'typebox/value'
import { Slug } from '#contracts/resources/primitives.ts'
import { alternativesTo, slugOf } from './slug.ts'

test('a slug is what is left of a title in lower-case ASCII words', () => {
  const slugs: Record<string, string> = {
    'Trail shoe': 'trail-shoe',
    '  Crème brûlée, 2 Stück! ': 'creme-brulee-2-stuck',
    'Straße & Łódź, Ærø': 'strasse-lodz-aero',
    "Women's ½ size": 'womens-1-2-size',
    İstanbul: 'istanbul',
    ÿ: 'y',
    靴: 'product',
    '🎉 !!': 'product'
  }
  for (const [title, slug] of Object.entries(slugs)) assert.equal(slugOf(title, 'product'), slug)
})

test('whatever the title, a slug and its alternatives are what the contract allows', () => {
  const titles = ['-'.repeat(200), 'a-'.repeat(100), '﷽'.repeat(200), `${'x'.repeat(179)} y`]
  for (const slug of titles.map(title => slugOf(title, 'product'))) {
    for (const each of [slug, ...alternativesTo(slug, '0190b5a0-0000-7000-8000-0123456789ab')]) {
      assert.ok(Value.Check(Slug, each), each)
    }
  }
})
