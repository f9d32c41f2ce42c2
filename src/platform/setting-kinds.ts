/** The kinds that the tables of settings are made of. */
import { Type } from 'typebox'

/** May be left out, but not empty. */
export const optional = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))

export const count = (fallback: number, description: string, minimum = 1) =>
  Type.Integer({ minimum, maximum: 2_147_483_647, default: fallback, description })

/** Milliseconds, separated by commas. */
export const DELAYS_MS = '^[0-9]{1,9}(,[0-9]{1,9})*$'
