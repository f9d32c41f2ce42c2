/** The program: picks roles, starts them, waits for a signal, stops them in reverse. */
import { ConfigInvalid, readConfig } from '#platform/config.ts'
import { openLog } from '#platform/log.ts'
import { exitOnUnhandled, stopRequested } from '#platform/process.ts'
import { startEcosystem } from './ecosystem.ts'
import { rolesOf, UnknownRole } from './roles.ts'
import { loadSampleCatalog } from './sample-catalog.ts'
import { welcome } from './welcome.ts'

const EXIT_CONFIG = 78
const EXIT_USAGE = 64

try {
  const config = readConfig()
  const names = rolesOf(process.argv.slice(2))
  const log = openLog(config)
  exitOnUnhandled(log)
  const stop = stopRequested()
  const started = performance.now()
  {
    await using ecosystem = await startEcosystem(config, names, log)
    if (config.NODE_ENV === 'development' && names.includes('gateway') && names.includes('user')) {
      if (config.SAMPLE_CATALOG) await loadSampleCatalog(ecosystem.url, log)
      await welcome(ecosystem.url)
    }
    log.info(
      { unit: 'process', roles: names, url: ecosystem.url, urls: ecosystem.urls, ms: Math.round(performance.now() - started) },
      'ready'
    )
    const signal = await stop
    log.info({ unit: 'process', signal }, 'stopping')
  }
  log.info({ unit: 'process' }, 'stopped')
} catch (error) {
  // What the operator can mend is said in words, anything else with where it happened.
  const mendable = error instanceof ConfigInvalid || error instanceof UnknownRole
  console.error(mendable ? error.message : error)
  process.exitCode = error instanceof ConfigInvalid ? EXIT_CONFIG : error instanceof UnknownRole ? EXIT_USAGE : 1
}
