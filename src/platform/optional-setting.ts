import { Type } from 'typebox'

/** A setting that may be left out, but not empty: the tables of settings are made of it. */
export const optional = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))
