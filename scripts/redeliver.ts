/**
 * npm run redeliver -- search.index --from POSITION [--to POSITION] [--types ProductUpdated,ProductArchived] [--key KEY] [--dry-run]
 *
 * Feeds a range of the event log of one of our services to one of our consumers again, as if it had never seen those events. The live consumer may
 * go on meanwhile. It reads and writes the database of DATABASE_URL, or that of DATA_DIR, as the services do. Exit code 0 when every event was
 * handled, 2 when some were parked or became dead letters, 1 when it could not go on, 64 when it was not understood.
 */
import { ConfigInvalid } from '#platform/config.ts'
import { readArguments, UsageError } from './redeliver/arguments.ts'
import { Impossible, run } from './redeliver/run.ts'

const EXIT_USAGE = 64
const EXIT_SOME_FAILED = 2

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
process.once('SIGTERM', () => interrupted.abort())

try {
  const allHandled = await run(readArguments(process.argv.slice(2)), interrupted.signal, process.stdout)
  process.exit(interrupted.signal.aborted ? 1 : allHandled ? 0 : EXIT_SOME_FAILED)
} catch (error) {
  const mendable = error instanceof Impossible || error instanceof UsageError || error instanceof ConfigInvalid
  console.error(mendable ? error.message : error)
  process.exit(error instanceof UsageError ? EXIT_USAGE : 1)
}
