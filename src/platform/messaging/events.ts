/** Checks events against their contracts, each schema compiled once: what we publish is whole, what we accept may be sparse. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { EventContract } from '#contracts/define.ts'
import { acceptedEvent, publishedEvent } from '#contracts/envelope.ts'
import { openContent, plainSchema } from '#contracts/json-schema.ts'

const ajv = new Ajv2020({ allErrors: true, strict: false })
addFormats.default(ajv)

const published = compiledOnce(publishedEvent)
// Publishers newer than we are may have added to it, at any depth.
const accepted = compiledOnce(event => openContent(plainSchema(acceptedEvent(event))))

/** Throws when a service is about to publish what its contract does not allow: a bug, caught before it is committed. */
export function checkPublished(event: EventContract, body: unknown): void {
  const check = published(event)
  if (!check(body)) throw new Error(`${event.type} does not match its contract: ${explained(check.errors)}`)
}

/** What is wrong with an event that somebody sent us, or undefined. */
export function faultsOfAccepted(event: EventContract, body: unknown): string | undefined {
  const check = accepted(event)
  return check(body) ? undefined : explained(check.errors)
}

function compiledOnce(schemaOf: (event: EventContract) => object): (event: EventContract) => ValidateFunction {
  const checks = new Map<EventContract, ValidateFunction>()
  return event => {
    let check = checks.get(event)
    if (!check) {
      check = ajv.compile(schemaOf(event))
      checks.set(event, check)
    }
    return check
  }
}

function explained(errors: ErrorObject[] | null | undefined): string {
  return (errors ?? [])
    .slice(0, 10)
    .map(error => `${error.instancePath || '/'} ${error.message}`)
    .join('; ')
}
