import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { wordQuery, wordsOf, wordVector } from './words.ts'

test('words have no case, accents or punctuation', () => {
  assert.deepEqual(wordsOf('Crème-brûlée, 2 Stück; SHOE-41/b'), ['creme', 'brulee', '2', 'stuck', 'shoe', '41', 'b'])
  assert.deepEqual(wordsOf('Кроссовки İstanbul 日本語'), ['кроссовки', 'istanbul', '日本語'])
  assert.deepEqual(wordsOf(" '\\:*&|!<-> \u0000 🙂 "), [])
})

test('a word keeps the place and the weight of each occurrence', () => {
  const vector = wordVector([
    ['A', 'Trail shoe'],
    ['D', 'A shoe']
  ])
  assert.equal(vector, "'trail':1A 'shoe':2A,4D 'a':3D")
})

test('a query asks for the beginning of every word, once', () => {
  assert.equal(wordQuery('Trail sho TRAIL'), "'trail':* & 'sho':*")
  assert.equal(wordQuery('?!'), '')
})

test('the beginning of what is indexed is always made of beginnings of its words', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'abÄ1-_ /.') }), fc.nat(), (text, cut) => {
      const words = wordsOf(text)
      for (const part of wordsOf(text.slice(0, cut))) assert.ok(words.some(word => word.startsWith(part)))
    })
  )
})

test('no text makes a word that would need quoting', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      for (const word of wordsOf(text)) assert.match(word, /^[\p{L}\p{N}\p{M}]{1,100}$/u)
    })
  )
})
