/** Products, variants and categories over HTTP. */
import { Type } from 'typebox'
import type { Operation } from '../define.ts'
import { Category, CategoryList, CreateCategory, UpdateCategory } from '../resources/category.ts'
import { closed, ForeignId, Id, page, Text } from '../resources/primitives.ts'
import { CreateProduct, CreateVariant, Product, UpdateProduct, UpdateVariant, Variant } from '../resources/product.ts'
import { ProductList, ProductListQuery } from '../resources/product-listing.ts'

const productId = Type.Object({ productId: Id('The product') })
const variantId = Type.Object({ variantId: Id('The variant') })
const categoryId = Type.Object({ categoryId: Id('The category') })
const taken = ['sku-taken', 'slug-taken', 'external-id-taken', 'duplicate-options', 'reference-not-found'] as const

export const catalogOperations = {
  listProducts: {
    method: 'GET',
    path: '/v1/products',
    tag: 'Products',
    summary: 'List products: filtered, sorted, whole or in part',
    scope: 'catalog:read',
    query: ProductListQuery,
    reply: { status: 200, body: ProductList, description: 'A page of products' },
    problems: ['invalid-cursor'],
    revalidated: true
  },
  createProduct: {
    method: 'POST',
    path: '/v1/products',
    tag: 'Products',
    summary: 'Put a product in the catalog, with variants, prices and opening stock',
    scope: 'catalog:write',
    body: CreateProduct,
    reply: { status: 201, body: Product, description: 'The product' },
    location: '/v1/products/{productId}',
    problems: [...taken, 'variant-required'],
    conditional: true
  },
  getProduct: {
    method: 'GET',
    path: '/v1/products/{productId}',
    tag: 'Products',
    summary: 'Get a product with its variants and prices',
    scope: 'catalog:read',
    params: productId,
    reply: { status: 200, body: Product, description: 'The product' },
    conditional: true
  },
  updateProduct: {
    method: 'PATCH',
    path: '/v1/products/{productId}',
    tag: 'Products',
    summary: 'Change a product (JSON merge patch)',
    scope: 'catalog:write',
    params: productId,
    body: UpdateProduct,
    reply: { status: 200, body: Product, description: 'The product as it is now' },
    problems: ['slug-taken', 'external-id-taken', 'reference-not-found', 'illegal-transition', 'variant-required'],
    conditional: true
  },
  deleteProduct: {
    method: 'DELETE',
    path: '/v1/products/{productId}',
    tag: 'Products',
    summary: 'Delete a draft or archived product',
    description: 'An active product is archived first. Refused while reservations are open.',
    scope: 'catalog:write',
    params: productId,
    reply: { status: 204, description: 'It is gone' },
    problems: ['illegal-transition', 'open-reservations'],
    conditional: true
  },
  archiveProduct: {
    method: 'POST',
    path: '/v1/products/{productId}/archive',
    tag: 'Products',
    summary: 'Stop selling a product; open reservations still hold',
    scope: 'catalog:write',
    params: productId,
    reply: { status: 200, body: Product, description: 'The product as it is now' },
    problems: ['illegal-transition'],
    conditional: true
  },
  createVariant: {
    method: 'POST',
    path: '/v1/products/{productId}/variants',
    tag: 'Variants',
    summary: 'Add a variant to a product',
    scope: 'catalog:write',
    params: productId,
    body: CreateVariant,
    reply: { status: 201, body: Variant, description: 'The variant' },
    location: '/v1/variants/{variantId}',
    problems: ['sku-taken', 'duplicate-options'],
    conditional: true
  },
  recordProductView: {
    method: 'POST',
    path: '/v1/products/{productId}/views',
    tag: 'Products',
    summary: 'Say that somebody looked at a product',
    scope: 'catalog:read',
    audit: 'nothing',
    params: productId,
    body: Type.Object(
      {
        variantId: Type.Optional(Id('The variant')),
        userId: Type.Optional(ForeignId('Who looked')),
        sessionId: Type.Optional(ForeignId('In which session')),
        channel: Type.Optional(Text(64))
      },
      { ...closed, title: 'ProductView' }
    ),
    reply: { status: 202, description: 'ProductViewed will be published' }
  },
  getVariant: {
    method: 'GET',
    path: '/v1/variants/{variantId}',
    tag: 'Variants',
    summary: 'Get a variant',
    scope: 'catalog:read',
    params: variantId,
    reply: { status: 200, body: Variant, description: 'The variant' },
    conditional: true
  },
  updateVariant: {
    method: 'PATCH',
    path: '/v1/variants/{variantId}',
    tag: 'Variants',
    summary: 'Change a variant (JSON merge patch)',
    scope: 'catalog:write',
    params: variantId,
    body: UpdateVariant,
    reply: { status: 200, body: Variant, description: 'The variant as it is now' },
    problems: ['sku-taken', 'duplicate-options', 'variant-required'],
    conditional: true
  },
  deleteVariant: {
    method: 'DELETE',
    path: '/v1/variants/{variantId}',
    tag: 'Variants',
    summary: 'Delete a variant; its SKU is free again',
    scope: 'catalog:write',
    params: variantId,
    reply: { status: 204, description: 'It is gone' },
    problems: ['open-reservations', 'variant-required'],
    conditional: true
  },
  listCategories: {
    method: 'GET',
    path: '/v1/categories',
    tag: 'Categories',
    summary: 'List categories, oldest first',
    scope: 'catalog:read',
    query: Type.Object({ ...page, parentId: Type.Optional(Id('Directly below this one')), slug: Type.Optional(Text(200)) }, closed),
    reply: { status: 200, body: CategoryList, description: 'A page of categories' },
    problems: ['invalid-cursor']
  },
  createCategory: {
    method: 'POST',
    path: '/v1/categories',
    tag: 'Categories',
    summary: 'Add a category',
    scope: 'catalog:write',
    body: CreateCategory,
    reply: { status: 201, body: Category, description: 'The category' },
    location: '/v1/categories/{categoryId}',
    problems: ['slug-taken', 'reference-not-found'],
    conditional: true
  },
  getCategory: {
    method: 'GET',
    path: '/v1/categories/{categoryId}',
    tag: 'Categories',
    summary: 'Get a category',
    scope: 'catalog:read',
    params: categoryId,
    reply: { status: 200, body: Category, description: 'The category' },
    conditional: true
  },
  updateCategory: {
    method: 'PATCH',
    path: '/v1/categories/{categoryId}',
    tag: 'Categories',
    summary: 'Change a category, or move it in the tree (JSON merge patch)',
    scope: 'catalog:write',
    params: categoryId,
    body: UpdateCategory,
    reply: { status: 200, body: Category, description: 'The category as it is now' },
    problems: ['slug-taken', 'reference-not-found', 'category-cycle'],
    conditional: true
  },
  deleteCategory: {
    method: 'DELETE',
    path: '/v1/categories/{categoryId}',
    tag: 'Categories',
    summary: 'Delete a category that nothing is in',
    scope: 'catalog:write',
    params: categoryId,
    reply: { status: 204, description: 'It is gone' },
    problems: ['category-in-use'],
    conditional: true
  }
} as const satisfies Record<string, Operation>
