/** The rules of the house as functions: each takes the house and a table, and says in sentences where the house breaks the table. */
import { matchesGlob } from 'node:path'
import type { Api } from '#contracts/define.ts'
import type { Import, Source, Use } from './source.ts'

export type House = {
  sources: readonly Source[]
  /** Every file that is not installed, TypeScript or not. */
  paths: readonly string[]
  /** The documents that explain the house: path → text. */
  documents: Readonly<Record<string, string>>
  apis: readonly Pick<Api, 'service' | 'operations'>[]
  /** Service → the operations that its table answers. */
  handlers: Readonly<Record<string, readonly string[]>>
}

export type Area = {
  name: string
  /** Globs; a file belongs to the first area that has it. */
  files: readonly string[]
  /** Areas that it may import beside itself. */
  mayImport: readonly string[] | 'anything'
  /** Areas of which it may import types only, save these values. */
  mayImportTypes?: Readonly<Record<string, readonly string[]>>
  /** Node's modules that it may import; any when left out. */
  node?: readonly string[]
  /** What it never takes from its surroundings. */
  never?: readonly Use[]
}

/** A technology, and the only files that may import its packages or use it. */
export type Door = { technology: string; packages?: readonly string[]; uses?: readonly Use[]; files: readonly string[] }

/** A file or name → why the rule is not for it. */
export type Reasons = Readonly<Record<string, string>>

export function filesWithoutArea({ sources }: House, areas: readonly Area[]): string[] {
  return sources.filter(({ path }) => !areaOf(path, areas)).map(({ path }) => `${path} belongs to no area`)
}

export function forbiddenImports({ sources }: House, areas: readonly Area[]): string[] {
  const paths = new Set(sources.map(({ path }) => path))
  return sources.flatMap(({ path, imports, uses }) => {
    const area = areaOf(path, areas)
    if (!area) return []
    const used = (area.never ?? []).filter(use => uses.has(use)).map(use => `${path} uses ${use}`)
    const imported = imports.filter(each =>
      !paths.has(each.from) ? !isOutside(area, each) : !mayImport(area, areaOf(each.from, areas), each)
    )
    return [...used, ...imported.map(each => `${path} imports ${each.from}`)]
  })
}

/** The first area that has the file. */
export function areaOf(path: string, areas: readonly Area[]): Area | undefined {
  return areas.find(({ files }) => isAmong(path, files))
}

function isAmong(path: string, globs: readonly string[]): boolean {
  return globs.some(glob => matchesGlob(path, glob))
}

function mayImport(area: Area, target: Area | undefined, { typeOnly, values }: Import): boolean {
  if (!target || target === area || area.mayImport === 'anything' || area.mayImport.includes(target.name)) return true
  const allowed = area.mayImportTypes?.[target.name]
  return allowed !== undefined && (typeOnly || values.every(value => allowed.includes(value)))
}

/** Not a file of ours: a package, whose door is checked elsewhere, or a module of Node's that the area may use. */
function isOutside(area: Area, { from }: Import): boolean {
  if (from.startsWith('node:')) return area.node?.includes(from) ?? true
  return !from.endsWith('.ts') && from !== '…'
}

/** Packages that nobody lists, doors that somebody goes around, and doors that nobody uses. */
export function brokenDoors({ sources }: House, doors: readonly Door[]): string[] {
  const around = sources.flatMap(({ path, imports, uses }) => {
    const packages = imports
      .filter(({ from }) => !from.startsWith('node:') && !from.startsWith('src/'))
      .map(({ from }) => packageOf(from))
    const wrong = [...new Set(packages)].filter(
      each => !doors.some(door => door.packages?.includes(each) && isAmong(path, door.files))
    )
    const used = doors.flatMap(door => door.uses?.filter(use => uses.has(use) && !isAmong(path, door.files)) ?? [])
    return [...wrong, ...used].map(each => `${path} uses ${each} without being its door`)
  })
  const unused = doors.flatMap(({ technology, packages = [], uses = [], files }) => {
    const through = (glob: string) =>
      sources.some(
        source =>
          matchesGlob(source.path, glob) &&
          (source.imports.some(({ from }) => packages.includes(packageOf(from))) || uses.some(use => source.uses.has(use)))
      )
    return files.filter(glob => !through(glob)).map(glob => `${glob} is a door to ${technology} that nobody goes through`)
  })
  return [...around, ...unused]
}

/** `@scope/name/file.js` → `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

/** What nouns and rules may import: contracts, one another, types, and what others have that is as pure. */
export type Pure = { files: readonly string[]; values: Readonly<Record<string, readonly string[]>> }

const impurities: readonly Use[] = ['environment', 'process', 'fetch', 'clock', 'chance', 'async']
/** Whoever is handed one of these does more than arithmetic. */
const handles = ['src/platform/postgres/database.ts']

export function impureRules({ sources }: House, { files, values }: Pure): string[] {
  const missing = files.filter(file => !sources.some(({ path }) => path === file)).map(file => `${file} is not there`)
  const impure = sources
    .filter(({ path }) => files.includes(path))
    .flatMap(({ path, imports, uses }) => {
      const imported = imports.filter(({ from, typeOnly, values: taken }) => {
        if (handles.includes(from)) return true
        if (typeOnly || from.startsWith('src/contracts/') || files.includes(from)) return false
        return !taken.every(value => values[from]?.includes(value))
      })
      return [
        ...imported.map(({ from }) => `${path} imports ${from}`),
        ...impurities.filter(use => uses.has(use)).map(use => `${path} uses ${use}`)
      ]
    })
  return [...missing, ...impure]
}

/** Circles of imports that run: types are left out, since nothing of them is there at run time. */
export function importCycles({ sources }: House): string[] {
  const next = new Map(
    sources.map(({ path, imports }) => [path, imports.filter(({ typeOnly }) => !typeOnly).map(({ from }) => from)])
  )
  const done = new Set<string>()
  const cycles: string[] = []
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) cycles.push([...trail.slice(start), path].join(' → '))
    if (start >= 0 || done.has(path)) return
    for (const each of next.get(path) ?? []) walk(each, [...trail, path])
    done.add(path)
  }
  for (const path of next.keys()) walk(path, [])
  return cycles
}

const kebabCase = /^(\d{4}-)?[a-z][a-z0-9]*(-[a-z0-9]+)*(\.[a-z]+)+$/
const saysNothing = ['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'misc']

export function badNames({ paths }: House, folders: readonly string[]): string[] {
  return paths
    .filter(path => folders.includes(path.split('/')[0]!))
    .filter(path => {
      const names = path.split('/')
      const file = names.at(-1)!
      const words = path.split('.')[0]!.split(/[/-]/)
      return !kebabCase.test(file) || file === 'index.ts' || words.some(word => saysNothing.includes(word))
    })
    .map(path => `${path} is not a name that says what is in it, in kebab-case`)
}

/** A file is named in code, whole or from its end: `src/main.ts`, `main.ts`; or it is linked. What has other signs in it is a pattern. */
const fileNamed = /`([\w./-]+\.(?:ts|sql|json|md))`|\]\(([\w./-]+)\)/g

export function namesOfNothing({ paths, documents }: House): string[] {
  return Object.entries(documents).flatMap(([document, text]) =>
    [...text.matchAll(fileNamed)]
      .map(([, named, linked]) => (named ?? linked)!)
      .filter(
        name => !paths.some(path => path === name || path.endsWith(`/${name}`) || path.startsWith(`${name.replace(/\/$/, '')}/`))
      )
      .map(name => `${document} names ${name}, which is not there`)
  )
}

/** An operation lives in a file of its name that begins with the function of its name, or where the list says. */
export function unnamedBehaviours(
  { sources, apis }: House,
  elsewhere: Readonly<Record<string, { file: string; why: string }>>
): string[] {
  const operations = apis.flatMap(({ service, operations }) => Object.keys(operations).map(name => ({ service, name })))
  const stale = Object.keys(elsewhere)
    .filter(name => !operations.some(each => each.name === name))
    .map(name => `${name} is no operation`)
  const missing = operations.flatMap(({ service, name }) => {
    const file = elsewhere[name]?.file ?? `${name.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}.ts`
    const source = sources.find(({ path }) => path.startsWith(`src/services/${service}/`) && path.endsWith(`/${file}`))
    if (!source) return [`${name} of ${service} has no ${file}`]
    const first = source.functions.find(({ exported }) => exported)?.name
    return name in elsewhere || first === name ? [] : [`${source.path} begins with ${first}, not with ${name}`]
  })
  return [...stale, ...missing]
}

export function unansweredOperations({ apis, handlers }: House): string[] {
  return apis.flatMap(({ service, operations }) => {
    const answered = handlers[service] ?? []
    const declared = Object.keys(operations)
    return [
      ...declared.filter(name => !answered.includes(name)).map(name => `${name} of ${service} has no handler`),
      ...answered.filter(name => !declared.includes(name)).map(name => `${service} answers ${name}, which no contract declares`)
    ]
  })
}

/** Operations that anybody may call, and paths beside the contracts, that are not in the lists; and what is in them for nothing. */
export function undeclaredAccess(
  { sources, apis }: House,
  open: Reasons,
  beside: Readonly<Record<string, readonly string[]>>
): string[] {
  const all = apis.flatMap(({ operations }) => Object.entries(operations))
  const unscoped = all.filter(([, { scope }]) => !scope).map(([name]) => name)
  const found = sources.flatMap(({ path, routes }) => routes.map(route => `${path} serves ${route}`))
  const listed = Object.entries(beside).flatMap(([path, routes]) => routes.map(route => `${path} serves ${route}`))
  return [
    ...unscoped.filter(name => !(name in open)).map(name => `${name} names no scope`),
    ...Object.keys(open)
      .filter(name => !unscoped.includes(name))
      .map(name => `${name} is listed as open, and is not`),
    ...found.filter(each => !listed.includes(each)).map(each => `${each} beside the contracts`),
    ...listed.filter(each => !found.includes(each)).map(each => `${each} no longer`)
  ]
}

/** The first ceiling that has the file is its own. */
export type Ceiling = { files: readonly string[]; linesMax: number }

export function longFiles({ sources }: House, ceilings: readonly Ceiling[], reasons: Reasons): string[] {
  const long = sources.flatMap(({ path, lines }) => {
    const linesMax = ceilings.find(({ files }) => isAmong(path, files))?.linesMax ?? 0
    return lines > linesMax ? [{ path, lines, linesMax }] : []
  })
  return [
    ...long
      .filter(({ path }) => !(path in reasons))
      .map(({ path, lines, linesMax }) => `${path} has ${lines} lines, over ${linesMax}`),
    ...Object.keys(reasons)
      .filter(path => !long.some(source => source.path === path))
      .map(path => `${path} is no longer long`)
  ]
}
