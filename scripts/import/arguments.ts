/** The command line of the import. */
import { parseArgs } from 'node:util'
import type { Credentials } from '#platform/http/http-client.ts'

/** What was asked cannot be done; nothing was sent. */
export class UsageError extends Error {}

export type ImportOptions = {
  file: string
  mediaType: string
  gzipped: boolean
  currency: string | undefined
  dryRun: boolean
  url: string
  credentials: Credentials
  /** Where to write what is wrong. */
  errors: string | undefined
}

const USAGE = 'Usage: npm run import -- FILE [--currency GBP] [--dry-run] [--url http://localhost:8080] [--errors errors.ndjson]'

const options = {
  currency: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
  url: { type: 'string', default: 'http://localhost:8080' },
  errors: { type: 'string' }
} as const

const mediaTypes: Readonly<Record<string, string>> = {
  ndjson: 'application/x-ndjson',
  jsonl: 'application/x-ndjson',
  csv: 'text/csv',
  tsv: 'text/tab-separated-values',
  txt: 'text/tab-separated-values'
}

/** Throws `UsageError` for what it does not understand. */
export function readArguments(args: readonly string[], env: Readonly<Record<string, string | undefined>>): ImportOptions {
  const { values, positionals } = parsed(args)
  const [file, ...more] = positionals
  if (!file || more.length > 0) throw new UsageError(`Name one file.\n${USAGE}`)
  const [, extension = '', gzip] = /\.([a-z]+)(\.gz)?$/i.exec(file) ?? []
  const mediaType = mediaTypes[extension.toLowerCase()]
  if (!mediaType) {
    const known = Object.keys(mediaTypes).map(name => `.${name}`)
    throw new UsageError(`${file} is no file of a kind that is read: its name must end in ${known.join(', ')}, or that and .gz`)
  }
  if (values.currency !== undefined && !/^[A-Z]{3}$/.test(values.currency))
    throw new UsageError(`--currency must be a code of three capital letters, such as GBP, not ${values.currency}`)
  if (!/^https?:\/\//.test(values.url) || !URL.canParse(values.url))
    throw new UsageError(`--url must be an address, such as http://localhost:8080, not ${values.url}`)
  const url = values.url.replace(/\/+$/, '')
  return {
    file,
    mediaType,
    gzipped: gzip !== undefined,
    currency: values.currency,
    dryRun: values['dry-run'],
    url,
    errors: values.errors,
    credentials: {
      tokenUrl: env.TOKEN_URL || `${url}/oauth/token`,
      clientId: env.CLIENT_ID || 'admin',
      clientSecret: env.CLIENT_SECRET || 'admin-secret'
    }
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`)
  }
}
