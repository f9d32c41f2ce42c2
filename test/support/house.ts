/** The rules of the house as functions: each takes the house and a table, and says in sentences where the house breaks the table. */
import { matchesGlob } from 'node:path'
import type { Api } from '#contracts/define.ts'
import type { Import, Source, Use } from './source.ts'

export type House = {
  sources: readonly Source[]
  /** Every file, TypeScript or not. */
  paths: readonly string[]
  apis: readonly Pick<Api, 'service' | 'operations'>[]
  /** Service → the operations that its table answers. */
  handlers: Readonly<Record<string, readonly string[]>>
}

export type Area = {
  name: string
  /** Globs; a file belongs to the first area that has it. */
  files: readonly string[]
  /** Areas; its own is always among them. */
  mayImport: readonly string[]
  /** Areas of which it may import types only, save these names. */
  mayImportTypes?: Readonly<Record<string, readonly string[]>>
  /** Node's modules that it may import; all when left out. */
  node?: readonly string[]
  /** What it may not take from its surroundings. */
  never?: readonly Use[]
}

export type Door = { technology: string; packages?: readonly string[]; use?: Use; files: readonly string[] }

export type Reasons = Readonly<Record<string, string>>

export function filesWithoutArea({ sources }: House, areas: readonly Area[]): string[] {
  return sources.filter(({ path }) => !areaOf(path, areas)).map(({ path }) => `${path} belongs to no area`)
}

export function forbiddenImports({ sources }: House, areas: readonly Area[]): string[] {
  const paths = new Set(sources.map(({ path }) => path))
  return sources.flatMap(({ path, imports, uses }) => {
    const area = areaOf(path, areas)
    if (!area) return []
    const used = (area.never ?? []).filter(use => uses.has(use)).map(use => `${path} uses ${use}, which ${area.name} never does`)
    const imported = imports.flatMap(each => {
      if (each.from === '…') return `${path} imports what nobody can read: a computed path`
      if (each.from.startsWith('node:')) return !area.node || area.node.includes(each.from) ? [] : `${path} imports ${each.from}`
      if (!isOurs(each)) return []
      if (!paths.has(each.from)) return each.from.endsWith('.ts') ? `${path} imports ${each.from}, which is not there` : []
      return mayImport(area, areaOf(each.from, areas), each) ? [] : `${path} imports ${each.from}`
    })
    return [...used, ...imported]
  })
}

function mayImport(area: Area, target: Area | undefined, { typeOnly, names }: Import): boolean {
  if (!target || target === area || area.mayImport.includes(target.name)) return true
  const values = area.mayImportTypes?.[target.name]
  return values !== undefined && (typeOnly || names.every(name => values.includes(name)))
}
