/** The category tree. */
import { type Static, Type } from 'typebox'
import { closed, Id, Line, List, Nullable, Slug, Text, Timestamp, Version } from './primitives.ts'

export const Category = Type.Object(
  {
    categoryId: Id('The category'),
    parentId: Nullable(Id('The category above; null at the top')),
    name: Line(200),
    slug: Slug,
    description: Type.Optional(Text(5000)),
    path: Type.Array(Id('A category'), { maxItems: 50, description: 'From the top down to this one' }),
    version: Version,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  { title: 'Category' }
)
export type Category = Static<typeof Category>

export const CreateCategory = Type.Object(
  {
    name: Line(200),
    slug: Type.Optional(Slug),
    parentId: Type.Optional(Nullable(Id('The category above'))),
    description: Type.Optional(Text(5000))
  },
  { ...closed, title: 'CreateCategory' }
)
export type CreateCategory = Static<typeof CreateCategory>

export const UpdateCategory = Type.Object(
  {
    name: Type.Optional(Line(200)),
    slug: Type.Optional(Slug),
    parentId: Type.Optional(Nullable(Id('The category above; null moves it to the top'))),
    description: Type.Optional(Nullable(Text(5000)))
  },
  { ...closed, title: 'UpdateCategory' }
)
export type UpdateCategory = Static<typeof UpdateCategory>

export const CategoryList = List(Category, 'CategoryList')
