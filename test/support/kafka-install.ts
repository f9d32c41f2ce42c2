/** Apache Kafka for tests: its own jars, from Maven, in a cache that all checkouts of this user share. Needs `java` and `mvn`. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const POM = join(import.meta.dirname, 'kafka', 'pom.xml')
const INSTALL_TIMEOUT_MS = 600_000

/** Where Kafka's jars are, or will be. */
function home(): string {
  const version = /<artifactId>kafka_2\.13<\/artifactId>\s*<version>([^<]+)/.exec(readFileSync(POM, 'utf8'))![1]!
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'product-service', `kafka-${version}`)
}

/** Whether Kafka can be started without downloading anything. */
export function kafkaInstalled(): boolean {
  return existsSync(home())
}

/** What Java is told to look for classes in; throws when Kafka is not installed. */
export function kafkaClassPath(): string {
  const folder = home()
  if (!existsSync(folder)) throw new Error(`Kafka is not installed in ${folder}; npm test installs it`)
  const jars = readdirSync(folder).filter(name => name.endsWith('.jar'))
  return jars
    .sort()
    .map(jar => join(folder, jar))
    .join(':')
}

/** Where Java keeps Kafka's classes as it has prepared them; without it Kafka starts half as fast. */
export function kafkaClassArchive(): string {
  return join(home(), 'classes.jsa')
}

/** Downloads Kafka's jars unless they are there. Several may do so at once: the first whole folder takes the name. */
export async function installKafka(log: (message: string) => void = () => {}): Promise<void> {
  if (kafkaInstalled()) return
  const folder = home()
  log(`Installing Apache Kafka into ${folder}`)
  await mkdir(join(folder, '..'), { recursive: true })
  const partial = await mkdtemp(`${folder}.partial-`)
  try {
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${partial}`]
    await run('mvn', ['--batch-mode', '--quiet', '--file', POM, ...goal], { timeout: INSTALL_TIMEOUT_MS }).catch(error => {
      throw new Error(`Kafka could not be installed with Maven: ${error.stdout || error.message}`)
    })
    await rename(partial, folder).catch(error => {
      if (!kafkaInstalled()) throw error
    })
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}
