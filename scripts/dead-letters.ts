/**
 * npm run dead-letters -- list | show ID | replay ID… | discard ID… --note WHY
 *
 * What messages our consumers could not handle, why, and what to do about it, at a running Product Service. Instead of ids, filters:
 * --consumer, --event-type, --reason, --key, --received-from, --received-to; --all means every open one. --dry-run says what matches. --json is for
 * programs. TOKEN_URL, CLIENT_ID and CLIENT_SECRET say who asks; without them the development client does. Exit code 0 when all of it was
 * done, 2 when something was not (it failed again, or was left out), 1 when nothing could be, 64 when it was not understood.
 */
import { readArguments, UsageError } from './dead-letters/arguments.ts'
import { Failed, run } from './dead-letters/run.ts'

const EXIT_USAGE = 64
const EXIT_SOME_LEFT = 2

try {
  const allDone = await run(readArguments(process.argv.slice(2), process.env), process.stdout)
  process.exit(allDone ? 0 : EXIT_SOME_LEFT)
} catch (error) {
  console.error(error instanceof Failed || error instanceof UsageError ? error.message : error)
  process.exit(error instanceof UsageError ? EXIT_USAGE : 1)
}
