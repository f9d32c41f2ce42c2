/** `npm run import`, as people run it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { runImports } from '../../src/services/product/imports/run-imports.ts'
import { productService } from '../../src/services/product/service.ts'
import { someProduct, someProducts } from '../support/imports.ts'
import { type RunningService, runService } from '../support/service.ts'

let service: RunningService
let issuer: Server
let folder: string
let over = false
let running: Promise<void>

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-command-'))
  service = await runService(productService)
  issuer = createServer((_request, response) => response.end(JSON.stringify({ access_token: 'anybody', expires_in: 3600 })))
  await once(issuer.listen(0, '127.0.0.1'), 'listening')
  running = runWaiting()
})

/** What the timers do. */
async function runWaiting(): Promise<void> {
  while (!over) if (!(await runImports(service.database)).more) await delay(20)
}

after(async () => {
  over = true
  await running
  issuer.close()
  await service[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const tokenUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/token`
  const child = spawn(process.execPath, ['scripts/import.ts', ...args], { env: { ...process.env, TOKEN_URL: tokenUrl, ...env } })
  const [out, said] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, out, said }
}

async function fileOf(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

const ndjson = (lines: readonly unknown[]) => lines.map(line => `${JSON.stringify(line)}\n`).join('')

describe('the command', () => {
  test('brings a file in, says how far it is, and ends with 0 when all of it is in', async () => {
    const file = await fileOf('good.ndjson', ndjson(someProducts(500)))
    const { code, out, said } = await run([file, '--url', service.url])
    assert.deepEqual([code, /500 created, 0 updated, 0 unchanged, 0 failed; 500 rows/.test(out)], [0, true], out + said)
    assert.match(said, /importing/)
    const again = await run([file, '--url', service.url, '--dry-run'])
    assert.match(again.out, /Dry run, nothing was kept: 0 created, 0 updated, 500 unchanged/)
  })

  test('tells the first things that are wrong, writes all of them to a file, and ends with 1', async () => {
    const file = await fileOf(
      'bad.jsonl.gz',
      gzipSync(ndjson([someProduct('command'), ...Array.from({ length: 30 }, () => ({ slug: 'x' }))]))
    )
    const errors = join(folder, 'errors.ndjson')
    const { code, out } = await run([file, '--url', service.url, '--errors', errors])
    assert.equal(code, 1)
    assert.match(out, /1 created, 0 updated, 0 unchanged, 30 failed/)
    assert.match(out, /line 2: title a product that is not in the catalog yet needs a title \(required\)/)
    assert.equal((await readFile(errors, 'utf8')).split('\n').length, 31)
  })

  test('says what to do when nobody answers, the file is not there, or the request is refused', async () => {
    const file = await fileOf('some.csv', 'a,b\n')
    assert.match(
      (await run([file, '--url', 'http://127.0.0.1:9'])).said,
      /Nothing answers at http:\/\/127.0.0.1:9. Start it with npm start/
    )
    assert.match((await run([join(folder, 'none.csv')])).said, /there is no such file/)
    assert.match((await run([file, '--url', service.url])).said, /The import failed \(unknown-columns\)/)
    assert.match(
      (await run([file, '--url', service.url, '--currency', 'XXX'])).said,
      /refused the file \(400\)(.|\n)*#\/query\/currency/
    )
    const strange = await run(['picture.png'])
    assert.deepEqual([strange.code, /must end in .ndjson/.test(strange.said)], [64, true])
  })
})
