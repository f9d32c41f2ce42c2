/** A catalog comes in: uploaded, validated, written with its variants and prices, one event each; and the bare documents by COPY. */
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type Group, ratio } from '../group.ts'
import type { Sample } from '../measure.ts'
import { cpuSecondsOf, startCpu } from '../processes.ts'
import { documentOf, productsOf } from '../products.ts'
import { saying } from '../progress.ts'
import { copyDocuments } from '../rivals/copy.ts'
import type { Scene } from '../scene.ts'
import type { Shop } from '../shop.ts'

const COPY = 'COPY of the documents into one table'
const IMPORT = 'POST /v1/imports, upload to completed'
const PUBLISHED = 'the same, relay and broker too'

export const imports: Group = {
  about: 'products with 3 variants each, NDJSON',
  async open(scene) {
    const { imported } = scene.size
    let round = 0
    const documents = productsOf(imported, 'copy').map(documentOf)
    const copy = async (): Promise<Sample> => {
      const before = cpuSecondsOf([scene.postgresPid])
      const { seconds } = await copyDocuments(scene.postgresUrl, documents)
      return { 'per s': imported / seconds, 'PG CPU ms': ((cpuSecondsOf([scene.postgresPid]) - before) * 1000) / imported }
    }
    // Each round finds an empty catalog: growing tables are not what is compared.
    const importBy = (roles: readonly string[]) => async (): Promise<Sample> => {
      await using stack = new AsyncDisposableStack()
      const shop = await scene.startShop(await scene.createDatabase(`imports_${round++}`), roles, {}, stack)
      return await importInto(shop, scene, productsOf(imported, `round-${round}`))
    }
    return {
      cases: [
        { name: COPY, shoot: copy },
        { name: IMPORT, against: COPY, shoot: importBy(['product.api', 'product.timers']) },
        { name: PUBLISHED, against: COPY, shoot: importBy(['product']) }
      ],
      figures: { import: ratio(IMPORT, COPY) }
    }
  }
}

type Import = { importId: string; status: string; created: number; failed: number; rows: number }

async function importInto(shop: Shop, scene: Scene, products: readonly object[]): Promise<Sample> {
  const file = Buffer.from(products.map(product => `${JSON.stringify(product)}\n`).join(''))
  let done: Partial<Import> = {}
  using _ = saying('importing', () => `${done.rows ?? 0} rows`)
  const cpu = startCpu(shop.pid, scene.postgresPid)
  const started = performance.now()
  const sent = { mediaType: 'application/x-ndjson', chunks: Readable.from([file], { objectMode: false }), bytes: file.length }
  const { status, body } = await shop.client.upload<Import>('/v1/imports', sent)
  if (status !== 202) throw new Error(`the import was refused: ${status} ${JSON.stringify(body)}`)
  const { importId } = body
  do {
    await delay(20)
    done = (await shop.client.call<Import>('GET', `/v1/imports/${importId}`)).body
  } while (done.status === 'pending' || done.status === 'running')
  const seconds = (performance.now() - started) / 1000
  if (done.status !== 'completed' || done.created !== products.length)
    throw new Error(`the import ended so: ${JSON.stringify(done)}`)
  return { 'per s': products.length / seconds, ...cpu(products.length) }
}
