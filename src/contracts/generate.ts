/**
 * Writes everything that derives from the contracts: `npm run contracts`. With `--check` it writes nothing, names each file
 * that is not what the contracts say, and exits 1. It refuses contracts that break what a release has promised.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { asyncApi } from './asyncapi.ts'
import { apis, events } from './catalogue.ts'
import { eventFile, eventSchema } from './event-schema.ts'
import { jsonText } from './json-schema.ts'
import { lifecycleFaults } from './lifecycle.ts'
import { mergedOpenApi, openApi } from './openapi.ts'
import { errorsPage, eventsPage, permissionsPage, scopesPage } from './reference.ts'
import { brokenPromises } from './release.ts'

/** The generated files by path below the repository root. The same contracts give the same bytes. */
export function generate(): Map<string, string> {
  return new Map([
    ...apis.map(api => [`contracts/openapi/${api.service}.v1.json`, jsonText(openApi(api))] as const),
    ['contracts/openapi/gateway.v1.json', jsonText(mergedOpenApi(apis))],
    ['contracts/asyncapi.json', jsonText(asyncApi())],
    ...events.map(event => [`contracts/events/${eventFile(event)}`, jsonText(eventSchema(event))] as const),
    ['docs/reference/errors.md', errorsPage()],
    ['docs/reference/events.md', eventsPage()],
    ['docs/reference/scopes.md', scopesPage()],
    ['docs/reference/permissions.md', permissionsPage()]
  ])
}

/** Folders that hold nothing but generated files: what else is found there is left over. */
const ownedFolders = ['contracts/openapi', 'contracts/events']

/** The paths of files that are missing, different or left over below `root`. */
export function differences(root: string): string[] {
  const files = generate()
  const differing = [...files].filter(([path, content]) => read(join(root, path)) !== content).map(([path]) => path)
  const leftOver = ownedFolders
    .filter(folder => existsSync(join(root, folder)))
    .flatMap(folder => readdirSync(join(root, folder)).map(name => `${folder}/${name}`))
    .filter(path => !files.has(path))
  return [...differing, ...leftOver].sort()
}

/** Makes the files below `root` what the contracts say, and tells which were not. */
export function write(root: string): string[] {
  const files = generate()
  const changed = differences(root)
  for (const path of changed) {
    const content = files.get(path)
    if (content === undefined) rmSync(join(root, path))
    else {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), content)
    }
  }
  return changed
}

function read(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '../..')
  const broken = [...brokenPromises(root), ...apis.flatMap(lifecycleFaults)]
  if (broken.length > 0) {
    for (const promise of broken) console.error(promise)
    console.error(
      'What was released may only gain, and ends with notice: see "Reviewing a change of contracts" in CONTRIBUTING.md. Nothing was written.'
    )
    process.exitCode = 1
  } else if (process.argv.includes('--check')) {
    const differing = differences(root)
    for (const path of differing) console.error(`${path} is not what src/contracts says`)
    if (differing.length > 0) console.error('Run `npm run contracts`, look at the difference, and commit it.')
    process.exitCode = differing.length > 0 ? 1 : 0
  } else {
    for (const path of write(root)) console.log(path)
  }
}
