/** The words that every other schema is made of. Everything that validation refuses stands in these schemas. */
import { type TSchema, Type } from 'typebox'

/** An id that we make: a UUIDv7 in lower case. */
export const Id = (description: string) =>
  Type.String({ format: 'uuid', pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', maxLength: 36, description })

/** An id that somebody else makes, such as an order's or a user's. */
export const ForeignId = (description: string) =>
  Type.String({ minLength: 1, maxLength: 128, pattern: '^[\\x21-\\x7e]+$', description })

/** Text for people: no control characters but tab and line breaks, no lone surrogates; HTML is kept as text. */
export const Text = (maxLength: number, options: { minLength?: number; description?: string } = {}) =>
  Type.String({
    maxLength,
    pattern: '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ud800-\\udfff]*$',
    ...options
  })

/** One line of text with something in it. */
export const Line = (maxLength: number, description?: string) =>
  Type.String({
    minLength: 1,
    maxLength,
    pattern: '^(?=.*\\S)[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\ud800-\\udfff]*$',
    ...(description ? { description } : {})
  })

export const Slug = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: '^[a-z0-9]+(-[a-z0-9]+)*$',
  description: 'The name in addresses: lower-case ASCII words joined by hyphens'
})

export const Sku = Type.String({
  minLength: 1,
  maxLength: 64,
  pattern: '^[\\x21-\\x7e]([\\x20-\\x7e]*[\\x21-\\x7e])?$',
  description: 'Stock keeping unit: printable ASCII, unique among all variants'
})

export const Url = Type.String({
  format: 'uri',
  maxLength: 2048,
  pattern: '^https?://[^\\s/?#@]+([/?#]\\S*)?$',
  description: 'An absolute http or https address without user information'
})

export const QUANTITY_MAX = 2_000_000_000

/** A whole number of units. */
export const Quantity = (minimum = 0, description = 'Whole units') =>
  Type.Integer({ minimum, maximum: QUANTITY_MAX, format: 'int64', description })

export const Timestamp = Type.String({
  format: 'date-time',
  maxLength: 40,
  description: 'RFC 3339, UTC, milliseconds'
})

export const Version = Type.Integer({
  minimum: 1,
  format: 'int64',
  description: 'Grows by one with every change; the ETag is made of it'
})

export const Nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

/** Closed object for input: unknown members are refused. */
export const closed = { additionalProperties: false } as const

/** Of an enumeration in what we send: it may gain words. Readers take one that they do not know as some other. */
export const extensible = { 'x-extensible': true } as const

export const LIMIT_MAX = 100

/** What every listing takes. */
export const page = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: 20, description: 'How many at most' })),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: '`nextCursor` of the page before' }))
}

/** A list in one query parameter: `a,b`. No item has a comma in it; items that may have one are a `Type.Array`, given once for each. */
export const Commas = <Schema extends TSchema>(item: Schema, options: { maxItems: number; description: string }) =>
  Type.Array(item, { ...options, [COMMAS]: true })

/** Marks the schema of such a list, for those who read or describe parameters. */
export const COMMAS = 'x-commas'

/** What every listing answers. */
export const List = <Schema extends TSchema>(item: Schema, title: string) =>
  Type.Object(
    {
      data: Type.Array(item),
      nextCursor: Nullable(Type.String({ description: 'Ask for the next page with it; null on the last page' }))
    },
    { title }
  )
