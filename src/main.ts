/** The program: picks roles, starts them, waits for a signal, stops them in reverse. What only some roles need is loaded with them. */
import { flushCompileCache } from 'node:module'
import { type Config, ConfigInvalid, readConfig } from '#platform/config.ts'
import { armFailpoints } from '#platform/failpoint.ts'
import { openLog } from '#platform/log.ts'
import { exitOnUnhandled, stopRequested } from '#platform/process.ts'
import { collectGarbage } from './collect-garbage.ts'
import { startEcosystem } from './ecosystem.ts'
import { rolesOf, UnknownRole } from './roles.ts'

const EXIT_CONFIG = 78
const EXIT_USAGE = 64
/** Only says whether the program would start with these settings. */
const CHECK_CONFIG = '--check-config'

try {
  const config = readConfig()
  const words = process.argv.slice(2)
  const names = rolesOf(words.filter(word => word !== CHECK_CONFIG))
  if (words.includes(CHECK_CONFIG)) console.log(`The configuration is good for ${names.join(', ')}.`)
  else await run(config, names)
} catch (error) {
  // What the operator can mend is said in words, anything else with where it happened.
  const mendable = error instanceof ConfigInvalid || error instanceof UnknownRole
  console.error(mendable ? error.message : error)
  process.exitCode = error instanceof ConfigInvalid ? EXIT_CONFIG : error instanceof UnknownRole ? EXIT_USAGE : 1
}

async function run(config: Config, names: string[]): Promise<void> {
  const log = openLog(config)
  exitOnUnhandled(log)
  if (config.FAILPOINTS) armFailpoints(config.FAILPOINTS)
  const stop = stopRequested()
  {
    await using ecosystem = await startEcosystem(config, names, log)
    if (config.NODE_ENV === 'development' && names.includes('gateway') && names.includes('user')) {
      const [{ loadSampleCatalog }, { welcome }] = await Promise.all([import('./sample-catalog.ts'), import('./welcome.ts')])
      if (config.SAMPLE_CATALOG) await loadSampleCatalog(ecosystem.url, log)
      await welcome(ecosystem.url)
    }
    collectGarbage()
    // Since the process began: loading comes before anything of ours runs.
    const ms = Math.round(performance.now())
    log.info({ unit: 'process', roles: names, url: ecosystem.url, urls: ecosystem.urls, ms }, 'ready')
    // Kept for the next start even if this process is killed.
    flushCompileCache()
    const signal = await stop
    log.info({ unit: 'process', signal }, 'stopping')
  }
  log.info({ unit: 'process' }, 'stopped')
}
