/**
 * npm run import -- FILE [--currency GBP] [--dry-run] [--url http://localhost:8080] [--errors errors.ndjson]
 *
 * Sends a catalog to a running Product Service and follows it until every product is in, or told what is wrong with it. FILE is NDJSON, or
 * a spreadsheet in the format of Shopify or Google Merchant; its name says which (.ndjson, .jsonl, .csv, .tsv, .txt), also with .gz
 * behind. TOKEN_URL, CLIENT_ID and CLIENT_SECRET say who sends it; without them the development client does. Exit code 0 when every
 * product of the file is in the catalog, 1 otherwise.
 */
import { readArguments, UsageError } from './import/arguments.ts'
import { Failed, importFile } from './import/import-file.ts'

const EXIT_USAGE = 64

try {
  const allIn = await importFile(readArguments(process.argv.slice(2), process.env), {
    out: process.stdout,
    progress: process.stderr
  })
  process.exit(allIn ? 0 : 1)
} catch (error) {
  console.error(error instanceof Failed || error instanceof UsageError ? error.message : error)
  process.exit(error instanceof UsageError ? EXIT_USAGE : 1)
}
