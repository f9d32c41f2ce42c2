/**
 * What the last release promised, as files below contracts/released, and whether the contracts still keep it. Every release is held
 * against the one before, so that what holds between two neighbours holds between all.
 *
 * `npm run contracts:release -- 0.3.0` makes the contracts as they are the promise of a release.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { apis, events } from './catalogue.ts'
import { apiIncompatibilities, incompatibilities } from './compatible.ts'
import type { Api, EventContract } from './define.ts'
import { routingKey } from './envelope.ts'
import { eventFile, eventName, eventSchema } from './event-schema.ts'
import { type JsonObject, jsonText } from './json-schema.ts'
import { openApi } from './openapi.ts'

const folder = 'contracts/released'
const table = `${folder}/release.json`
/** Where a body of an event as it was published is kept: what every later release still has to read. */
export function goldenFile(event: EventContract): string {
  return `test/golden/events/${eventFile(event).replace('.v', '-v')}`
}

/** One message for each promise of the last release below `root` that the contracts break; none without a release. */
export function brokenPromises(root: string): string[] {
  if (!existsSync(join(root, table))) return []
  const now = new Map(events.map(event => [eventName(event), event]))
  const before = Object.entries((read(join(root, table)) as Table).events)
  return [
    ...documents(root, 'events').flatMap(([, released]) => {
      const event = now.get(String(released.title))
      return incompatibilities(released, event && eventSchema(event))
    }),
    ...before.flatMap(([name, carried]) => carriedOtherwise(name, carried, now.get(name))),
    ...documents(root, 'openapi').flatMap(([file, released]) => {
      const api = apis.find(api => apiFile(api) === file)
      return api
        ? apiIncompatibilities(released, openApi(api))
        : [`The API of ${file} is gone. Keep it as long as anyone calls it.`]
    })
  ]
}

/** How an event travels, which its schema does not say. */
type Carried = { topic: string; key: string; subject: string; routingKey: string }
type Table = { release: string; events: Record<string, Carried> }

const carried = (event: EventContract): Carried => ({
  topic: event.topic,
  key: event.key,
  subject: event.subject,
  routingKey: routingKey(event)
})

function carriedOtherwise(name: string, before: Carried, event: EventContract | undefined): string[] {
  if (!event) return []
  const after = carried(event)
  return (Object.keys(before) as (keyof Carried)[])
    .filter(property => before[property] !== after[property])
    .map(
      property =>
        `${name}: its ${property} is ${after[property]} instead of ${before[property]}. Leave it: events would lose their order.`
    )
}

/** Makes the present contracts the promise of a release. Throws when they break the last one, or when an event has no example. */
export function release(root: string, version: string): string[] {
  const broken = brokenPromises(root)
  if (broken.length > 0) throw new Error(broken.join('\n'))
  const missing = events.map(goldenFile).filter(path => !existsSync(join(root, path)))
  if (missing.length > 0)
    throw new Error(missing.map(path => `${path} is missing: a body of this event as it is published`).join('\n'))
  const promised: Table = { release: version, events: Object.fromEntries(events.map(event => [eventName(event), carried(event)])) }
  const files = new Map([
    [table, jsonText(promised)],
    ...events.map(event => [`${folder}/events/${eventFile(event)}`, jsonText(eventSchema(event))] as const),
    ...apis.map(api => [`${folder}/openapi/${apiFile(api)}`, jsonText(openApi(api))] as const)
  ])
  rmSync(join(root, folder), { recursive: true, force: true })
  for (const [path, content] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  return [...files.keys()]
}

const apiFile = (api: Api) => `${api.service}.v1.json`

function documents(root: string, kind: 'events' | 'openapi'): [file: string, document: JsonObject][] {
  const at = join(root, folder, kind)
  return readdirSync(at)
    .sort()
    .map(file => [file, read(join(at, file))])
}

function read(path: string): JsonObject {
  return JSON.parse(readFileSync(path, 'utf8'))
}

if (import.meta.main) {
  const [version] = process.argv.slice(2)
  if (!/^\d+\.\d+\.\d+$/.test(version ?? '')) throw new Error('Say which release it is: npm run contracts:release -- 0.3.0')
  for (const path of release(join(import.meta.dirname, '../..'), version!)) console.log(path)
}
