/** Schemas as documents carry them: plain JSON Schema 2020-12, each titled schema once, under its title. */
import type { TSchema } from 'typebox'

export type Json = null | boolean | number | string | Json[] | JsonObject
export type JsonObject = { [name: string]: Json }

/** A document as it is written into a file. */
export function jsonText(document: JsonObject): string {
  return `${JSON.stringify(document, null, 2)}\n`
}

/** A schema as plain JSON. What the schema library keeps for itself falls away, and a union of constants is an `enum`. */
export function plainSchema(schema: TSchema): JsonObject {
  return rewrite(JSON.parse(JSON.stringify(schema)), constantsAsEnum) as JsonObject
}

/**
 * The same schema for readers of what may grow: objects are open at every depth, so that a publisher may add properties, and
 * enumerations that say so take other words. Maps keep the pattern of their names. What holds only under a condition is the writer's.
 */
export function openContent(schema: JsonObject): JsonObject {
  return rewrite(schema, node => openWords(openObject(unconditional(node)))) as JsonObject
}

function unconditional(node: JsonObject): JsonObject {
  const { allOf, ...rest } = node
  if (!Array.isArray(allOf)) return node
  const always = allOf.filter(part => !(part as JsonObject).if)
  return always.length > 0 ? { ...rest, allOf: always } : rest
}

function openObject(node: JsonObject): JsonObject {
  if (node.additionalProperties !== false || node.patternProperties) return node
  const { additionalProperties: _, ...open } = node
  return open
}

function openWords(node: JsonObject): JsonObject {
  const { type, enum: words, 'x-extensible': growing, ...rest } = node
  return growing && type && words ? { ...rest, anyOf: [{ type, enum: words }, { type }] } : node
}

/**
 * Collects titled schemas, to be referred to by title. Two different schemas with one title are a mistake and throw;
 * equal ones, also from several services, are one.
 */
export class NamedSchemas {
  readonly #at: string
  readonly #named = new Map<string, JsonObject>()

  /** `at` is where the document keeps them: `#/components/schemas/`. */
  constructor(at: string) {
    this.#at = at
  }

  /** The schema with every titled schema in it, itself included, replaced by a reference. */
  refer(schema: JsonObject): JsonObject {
    return rewrite(schema, node => (typeof node.title === 'string' ? this.name(node.title, node) : node)) as JsonObject
  }

  /** The schema itself, with the titled schemas inside it replaced by references. */
  referInside(schema: JsonObject): JsonObject {
    return rewriteMembers(schema, node => (typeof node.title === 'string' ? this.name(node.title, node) : node))
  }

  /** Keeps a schema under a name and gives back the reference to it. */
  name(name: string, schema: JsonObject): JsonObject {
    const known = this.#named.get(name)
    if (known && JSON.stringify(known) !== JSON.stringify(schema)) throw new Error(`two different schemas are called ${name}`)
    this.#named.set(name, schema)
    return { $ref: `${this.#at}${name}` }
  }

  /** All of them, by name. */
  all(): JsonObject {
    return Object.fromEntries([...this.#named].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}

/** Rewrites every object in a document, the innermost first. */
function rewrite(json: Json, change: (node: JsonObject) => JsonObject): Json {
  if (Array.isArray(json)) return json.map(member => rewrite(member, change))
  if (json === null || typeof json !== 'object') return json
  return change(rewriteMembers(json, change))
}

function rewriteMembers(node: JsonObject, change: (node: JsonObject) => JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(node).map(([name, member]) => [name, rewrite(member, change)]))
}

function constantsAsEnum(node: JsonObject): JsonObject {
  const { anyOf, ...rest } = node
  if (!Array.isArray(anyOf)) return node
  const branches = anyOf as JsonObject[]
  const type = branches[0]?.type
  if (!type || !branches.every(branch => 'const' in branch && branch.type === type)) return node
  return { type, enum: branches.map(branch => branch.const!), ...rest }
}
