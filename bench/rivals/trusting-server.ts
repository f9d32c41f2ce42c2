/** The limit of identity: our own API, which takes whoever asks for somebody who may do everything, and looks at no credentials. */
import { openBroker } from '#broker/open.ts'
import type { Scope } from '#contracts/scopes.ts'
import { readConfig } from '#platform/config.ts'
import type { Actor } from '#platform/identity/actor.ts'
import { openLog } from '#platform/log.ts'
import { openService } from '#platform/service.ts'
import { collectGarbage } from '../../src/collect-garbage.ts'
import { productService } from '../../src/services/product/service.ts'

const config = readConfig()
const log = openLog({ ...config, LOG_LEVEL: 'error' })
const databaseUrl = config.DATABASE_URL!
const everything = { has: () => true } as unknown as ReadonlySet<Scope>
const anybody: Actor = { subject: 'anybody', clientId: 'anybody', issuer: 'nobody', scopes: everything }

const stack = new AsyncDisposableStack()
const broker = stack.use(await openBroker({ url: databaseUrl }))
const authenticator = { authenticate: () => anybody }
const shared = { config, log, databaseUrl, broker, authenticator, baseUrl: 'http://localhost' }
const service = stack.use(await openService(productService, shared))
const { url } = stack.use(await service.start('api', { port: 0 }))
collectGarbage()
process.on('SIGTERM', () => stack.disposeAsync())
console.log(url)
