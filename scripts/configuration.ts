/**
 * Writes .env.example and docs/reference/configuration.md from the settings of src/platform/config.ts: part of `npm run contracts`.
 * With `--check` it writes nothing, names each file that is not what the settings say, and exits 1.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { settings } from '#platform/config.ts'

/** A setting as its schema tells it. */
type Setting = {
  description: string
  type?: string
  default?: unknown
  minimum?: number
  maximum?: number
  enum?: string[]
  anyOf?: { const: string }[]
}

const all = Object.entries(settings.properties as unknown as Record<string, Setting>)
/** What 32 bits hold is not a limit that anybody would look for. */
const NO_MAXIMUM = 2_147_483_647

/** Every setting as a comment, with its default: copied as it is, it changes nothing. */
function envExample(): string {
  const blocks = all.map(([name, setting]) => [
    `# ${setting.description} (${valuesOf(setting)})`,
    `#${name}=${setting.default ?? ''}`
  ])
  return `${[
    '# Written by `npm run contracts` from src/platform/config.ts: change it there.',
    '# Copy it to .env, take the # from what you set, and start with: node --env-file=.env src/main.ts',
    '# NAME_FILE instead of NAME names a file that holds the value.',
    ...blocks.flatMap(block => ['', ...block])
  ].join('\n')}\n`
}

function configurationPage(): string {
  const rows = all.map(([name, setting]) => {
    const preset = setting.default === undefined ? '' : `\`${setting.default}\``
    return [`\`${name}\``, preset, valuesOf(setting), setting.description]
  })
  const table = [['Setting', 'Default', 'Values', 'Meaning'], ['---', '---', '---', '---'], ...rows]
  return `${[
    '# Configuration',
    '',
    '<!-- Written by `npm run contracts` from src/platform/config.ts: change it there. -->',
    '',
    'Settings are environment variables, read once at the start. All faults are reported together, and the process ends with exit code 78.',
    'For every setting, `NAME_FILE` can name a file that holds the value, such as a mounted secret. An empty value is none.',
    '`.env.example` lists them for `node --env-file=.env src/main.ts`.',
    '',
    ...table.map(cells => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`)
  ].join('\n')}\n`
}

function valuesOf({ type, minimum, maximum, enum: listed, anyOf }: Setting): string {
  const choices = listed ?? anyOf?.map(choice => choice.const)
  if (choices) return choices.join(', ')
  if (type === 'boolean') return 'true, false'
  if (type !== 'integer' && type !== 'number') return 'text'
  return maximum === NO_MAXIMUM ? `at least ${minimum}` : `${minimum} to ${maximum}`
}

const root = join(import.meta.dirname, '..')
const files = { '.env.example': envExample(), 'docs/reference/configuration.md': configurationPage() }
const checking = process.argv.includes('--check')
for (const [path, content] of Object.entries(files)) {
  const file = join(root, path)
  if (existsSync(file) && readFileSync(file, 'utf8') === content) continue
  if (checking) {
    console.error(
      `${path} is not what src/platform/config.ts says: run \`npm run contracts\`, look at the difference, and commit it.`
    )
    process.exitCode = 1
  } else {
    writeFileSync(file, content)
    console.log(path)
  }
}
