/** What the reference Search Service can be asked over HTTP. */
import { Type } from 'typebox'
import { defineApi } from '../define.ts'
import { closed, page } from '../resources/primitives.ts'
import { Accepted, ProductIndexEvent, SearchResult, searchQuery } from '../resources/search.ts'

export const searchApi = defineApi({
  service: 'search',
  title: 'Search Service (reference)',
  version: '1.0.0',
  description: 'Finds products; kept up to date by product.events.',
  operations: {
    indexProduct: {
      method: 'POST',
      path: '/v1/search/index',
      tag: 'Search',
      summary: 'Hand a product to the index, beside what events bring',
      scope: 'search:write',
      body: ProductIndexEvent,
      reply: { status: 202, body: Accepted, description: 'Accepted for indexing' }
    },
    searchProducts: {
      method: 'GET',
      path: '/v1/search',
      tag: 'Search',
      summary: 'Find products by words, beginnings of words or SKU',
      scope: 'catalog:read',
      query: Type.Object(
        { ...page, ...searchQuery },
        { ...closed, dependentRequired: { minPrice: ['currency'], maxPrice: ['currency'] } }
      ),
      reply: { status: 200, body: SearchResult, description: 'What was found, best first' },
      problems: ['invalid-cursor']
    }
  }
})
