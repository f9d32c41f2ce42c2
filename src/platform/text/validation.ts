/** Checks requests against the contract: bodies strictly, parameters of path and query with text read as numbers and booleans. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { TObject, TSchema } from 'typebox'
import { type Fault, Problem } from '#contracts/problems.ts'
import { COMMAS } from '#contracts/resources/primitives.ts'
import { fragmentOf, pointerTo } from './json.ts'

const strict = new Ajv2020({ allErrors: true, strict: false })
const coercing = new Ajv2020({ allErrors: true, strict: false, coerceTypes: true, useDefaults: true })
for (const ajv of [strict, coercing]) addFormats.default(ajv)

/** More faults than anybody fixes at once are not told. */
export const FAULTS_MAX = 50

/** A check that throws `invalid-request` naming every fault. `place` begins the pointers of parameters: `query`, `path`. */
export type Check = (value: unknown) => void

export function checkBody(schema: TSchema): Check {
  return checkWith(strict.compile(schema), '')
}

export function checkParameters(schema: TSchema, place: 'query' | 'path'): Check {
  const check = checkWith(coercing.compile(schema), `/${place}`)
  const lists = Object.entries((schema as TObject).properties ?? {}).filter(
    ([, { type }]: [string, { type?: unknown }]) => type === 'array'
  )
  return value => {
    const parameters = value as Record<string, unknown>
    for (const [name, list] of lists) {
      const given = parameters[name]
      if (given !== undefined) parameters[name] = COMMAS in list ? [given].flat().join().split(',') : [given].flat()
    }
    check(value)
  }
}

/** The refusal of a request for its faults. */
export function invalid(errors: readonly Fault[]): Problem {
  return new Problem('invalid-request', errors.length === 1 ? 'There is one fault' : `There are ${errors.length} faults`, {
    errors: errors.slice(0, FAULTS_MAX)
  })
}

function checkWith(validate: ValidateFunction, prefix: string): Check {
  return value => {
    if (validate(value)) return
    throw invalid(faults(validate.errors ?? [], prefix))
  }
}

/** `if`/`then` and unions report themselves beside what is wrong inside them. */
const wrappers = new Set(['if', 'anyOf', 'oneOf', 'allOf'])

function faults(errors: readonly ErrorObject[], prefix: string): Fault[] {
  const inner = errors.filter(error => !wrappers.has(error.keyword))
  const seen = new Map<string, Fault>()
  for (const error of inner.length > 0 ? inner : errors) {
    if (seen.size === FAULTS_MAX) break
    const fault = { pointer: fragmentOf(prefix + pointerOf(error)), code: error.keyword, detail: detailOf(error) }
    seen.set(`${fault.pointer} ${fault.code} ${fault.detail}`, fault)
  }
  return [...seen.values()]
}

function pointerOf({ instancePath, params }: ErrorObject): string {
  const member = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty ?? params.propertyName
  return member === undefined ? instancePath : instancePath + pointerTo(member)
}

function detailOf(error: ErrorObject): string {
  if (error.keyword === 'additionalProperties') return 'is not a known name here'
  if (error.keyword === 'enum') {
    const allowed = (error.params.allowedValues as unknown[]).slice(0, 10).join(', ')
    return `must be one of ${allowed}${error.params.allowedValues.length > 10 ? ', …' : ''}`
  }
  if (error.keyword === 'const') return `must be ${JSON.stringify(error.params.allowedValue)}`
  if (error.keyword === 'pattern') return 'has characters or a form that is not allowed here'
  return error.message ?? 'is not valid'
}
