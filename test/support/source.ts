/** The project's TypeScript as facts: what each file imports, exports and uses, read from its syntax tree. */
import { globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { type Node, parseSync } from 'oxc-parser'

export type Import = {
  /** A path below the root for a file of ours, else what stands in the source: `pg`, `node:fs`. */
  from: string
  /** It vanishes when types are stripped. */
  typeOnly: boolean
  /** The values that it takes: `*` for everything, `default`; nothing for an import for its effect. */
  values: readonly string[]
}

export type Source = {
  path: string
  lines: number
  imports: readonly Import[]
  /** Functions and classes in the order of the file, with whether each is exported. */
  functions: readonly { name: string; exported: boolean }[]
  uses: ReadonlySet<Use>
  /** Paths that it registers with the web framework; `…` where the path is computed. */
  routes: readonly string[]
}

/** What a file takes from its surroundings without importing it; `environment` is `process.env`, or `process` as a whole. */
export type Use = 'environment' | 'process' | 'fetch' | 'clock' | 'chance' | 'async'

/** All TypeScript below the folders. */
export function readSources(root: string, folders: readonly string[]): Source[] {
  return folders
    .flatMap(folder => globSync(`${folder}/**/*.ts`, { cwd: root }))
    .sort()
    .map(path => parseSource(path, readFileSync(join(root, path), 'utf8')))
}

/** Throws for what is not TypeScript. */
export function parseSource(path: string, text: string): Source {
  const { program, module, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`)
  const found = { imports: [] as Import[], uses: new Set<Use>(), routes: [] as string[] }
  const ownNames = new Set<string>()
  for (const { moduleRequest, entries } of module.staticImports) {
    const values = entries
      .filter(entry => !entry.isType)
      .map(({ importName: { name, kind } }) => name ?? (kind === 'Default' ? 'default' : '*'))
    found.imports.push({ from: resolved(path, moduleRequest.value), typeOnly: entries.length > 0 && values.length === 0, values })
  }
  for (const { moduleRequest, importName, isType } of module.staticExports.flatMap(({ entries }) => entries)) {
    if (!moduleRequest) continue
    found.imports.push({
      from: resolved(path, moduleRequest.value),
      typeOnly: isType,
      values: isType ? [] : [importName.name ?? '*']
    })
  }
  visit(program, undefined, (node, parent) => {
    const specifier = dynamicSpecifier(node)
    if (specifier) found.imports.push({ from: resolved(path, specifier.text), typeOnly: specifier.typeOnly, values: ['*'] })
    if (node.type === 'Identifier' && parent && 'params' in parent && (parent.params as unknown[]).includes(node))
      ownNames.add(node.name)
    const use = useOf(node, parent)
    if (use) found.uses.add(use)
    const route = routeOf(node)
    if (route) found.routes.push(route)
  })
  if (ownNames.has('fetch')) found.uses.delete('fetch')
  return { path, lines: text.split('\n').length - 1, functions: functionsOf(program.body), ...found }
}

/** `#platform/x.ts` and `../x.ts` as paths below the root, as package.json's "imports" and Node resolve them. */
function resolved(importer: string, specifier: string): string {
  if (specifier.startsWith('#')) return `src/${specifier.slice(1)}`
  return specifier.startsWith('.') ? posix.join(posix.dirname(importer), specifier) : specifier
}

/** `import('x')`, `require('x')` and the type `import('x').Y`; a specifier that is computed is `…`. */
function dynamicSpecifier(node: Node): { text: string; typeOnly: boolean } | undefined {
  if (node.type === 'ImportExpression') return { text: literal(node.source) ?? '…', typeOnly: false }
  if (node.type === 'TSImportType') return { text: node.source.value, typeOnly: true }
  if (node.type === 'TSExternalModuleReference') return { text: node.expression.value, typeOnly: false }
  if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier' || node.callee.name !== 'require') return undefined
  return { text: literal(node.arguments[0]) ?? '…', typeOnly: false }
}

const clocks = ['performance', 'setTimeout', 'setInterval', 'setImmediate']

function useOf(node: Node, parent: Node | undefined): Use | undefined {
  if ('async' in node && node.async === true) return 'async'
  if (node.type === 'NewExpression' && named(node.callee, 'Date') && node.arguments.length === 0) return 'clock'
  if (isMember(node, 'Date', 'now')) return 'clock'
  if (isMember(node, 'Math', 'random')) return 'chance'
  if (node.type !== 'Identifier' || !isReference(node, parent)) return undefined
  if (node.name === 'process') {
    const member = parent?.type === 'MemberExpression' && parent.object === node && !parent.computed ? parent.property : undefined
    return member && !named(member, 'env') ? 'process' : 'environment'
  }
  if (node.name === 'fetch') return 'fetch'
  if (node.name === 'crypto') return 'chance'
  return clocks.includes(node.name) ? 'clock' : undefined
}

/** Whether an identifier stands for a value, not for the name of a property. */
function isReference(node: Node, parent: Node | undefined): boolean {
  if (!parent) return false
  if (parent.type === 'MemberExpression' && parent.property === node) return parent.computed || named(parent.object, 'globalThis')
  if ('shorthand' in parent && parent.shorthand) return true
  return !('key' in parent && parent.key === node)
}

const verbs = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'all']

/** `app.get('/path', …)` and `app.route({ url })`. */
function routeOf(node: Node): string | undefined {
  if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression' || node.callee.property.type !== 'Identifier')
    return
  const [first] = node.arguments
  const method = node.callee.property.name
  if (verbs.includes(method)) return literal(first)?.startsWith('/') ? literal(first) : undefined
  if (method !== 'route' || first?.type !== 'ObjectExpression') return undefined
  const url = first.properties.find(property => property.type === 'Property' && named(property.key, 'url'))
  return url?.type === 'Property' ? (literal(url.value) ?? '…') : '…'
}

function functionsOf(body: readonly Node[]): Source['functions'] {
  return body.flatMap(statement => {
    const exported = statement.type === 'ExportNamedDeclaration'
    const declaration = exported ? statement.declaration : statement
    if (declaration?.type === 'FunctionDeclaration' || declaration?.type === 'ClassDeclaration')
      return declaration.id ? [{ name: declaration.id.name, exported }] : []
    if (declaration?.type !== 'VariableDeclaration') return []
    return declaration.declarations.flatMap(({ id, init }) =>
      id.type === 'Identifier' && init?.type === 'ArrowFunctionExpression' ? [{ name: id.name, exported }] : []
    )
  })
}

function isMember(node: Node, object: string, property: string): boolean {
  return node.type === 'MemberExpression' && named(node.object, object) && named(node.property, property)
}

function named(node: Node, name: string): boolean {
  return node.type === 'Identifier' && node.name === name
}

function literal(node: Node | undefined): string | undefined {
  return node?.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined
}

function visit(node: Node, parent: Node | undefined, see: (node: Node, parent: Node | undefined) => void): void {
  see(node, parent)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === 'object' && typeof child.type === 'string') visit(child, node, see)
    }
  }
}
