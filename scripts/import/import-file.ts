/** Sends a file, follows what becomes of it, and tells that. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import type { Import } from '#contracts/resources/import.ts'
import { type HttpClient, type HttpReply, openHttpClient } from '#platform/http/http-client.ts'
import type { ImportOptions } from './arguments.ts'
import { openProgress } from './progress.ts'
import { tellErrors } from './tell-errors.ts'

/** It did not work, and the message says what to do. */
export class Failed extends Error {}

type Told = { out: NodeJS.WritableStream; progress: NodeJS.WritableStream }

const POLL_MS = 200
const READ_BYTES = 256 * 1024

/** Says whether every product of the file is in the catalog. Throws `Failed`. */
export async function importFile(options: ImportOptions, { out, progress }: Told): Promise<boolean> {
  const started = performance.now()
  const size = await sizeOf(options.file)
  await using client = openHttpClient({ url: options.url, credentials: options.credentials })
  const sent = await send(client, options, size, progress)
  const ended = await follow(client, sent, progress)
  const { created, updated, unchanged, failed, rows, status, reason } = ended
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  out.write(
    `\n${ended.dryRun ? 'Dry run, nothing was kept: ' : ''}${created} created, ${updated} updated, ${unchanged} unchanged, `
  )
  out.write(`${failed} failed; ${rows} rows in ${seconds} s\n`)
  if (failed > 0) await tellErrors(client, ended, options, out)
  if (status === 'failed') throw new Failed(`The import failed (${reason?.code}): ${reason?.detail}`)
  if (status === 'cancelled') throw new Failed('The import was cancelled; what is counted above stays in the catalog.')
  return failed === 0
}

async function sizeOf(file: string): Promise<number> {
  const known = await stat(file).catch(error => {
    throw new Failed(`${file} cannot be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`)
  })
  if (!known.isFile()) throw new Failed(`${file} is not a file`)
  return known.size
}

async function send(client: HttpClient, options: ImportOptions, size: number, progress: NodeJS.WritableStream): Promise<Import> {
  const { currency, dryRun, mediaType, gzipped } = options
  const query = new URLSearchParams({ ...(currency ? { currency } : {}), ...(dryRun ? { dryRun: 'true' } : {}) })
  using bar = openProgress('sending', size, progress)
  const read = counted(createReadStream(options.file, { highWaterMark: READ_BYTES }), bytes => bar.update(bytes))
  const chunks = gzipped ? Readable.from(read).compose(createGunzip()) : read
  const path = `/v1/imports${query.size > 0 ? `?${query}` : ''}`
  const reply = await client.upload<Import>(path, { mediaType, chunks, ...(gzipped ? {} : { bytes: size }) }).catch(error => {
    throw new Failed(whyUnsent(error, options))
  })
  if (reply.status !== 202) throw new Failed(whyRefused(reply, options))
  return reply.body
}

/** The same pieces; says how many bytes they have been. */
async function* counted(pieces: AsyncIterable<Buffer>, told: (bytes: number) => void): AsyncGenerator<Buffer, void, undefined> {
  let bytes = 0
  for await (const piece of pieces) {
    bytes += piece.length
    told(bytes)
    yield piece
  }
}

async function follow(client: HttpClient, sent: Import, progress: NodeJS.WritableStream): Promise<Import> {
  using bar = openProgress('importing', sent.bytes, progress)
  for (let current = sent; ; ) {
    const { status, bytesDone, created, updated, unchanged, failed } = current
    bar.update(bytesDone, `${created} created, ${updated} updated, ${unchanged} unchanged, ${failed} failed`)
    if (status !== 'pending' && status !== 'running') return current
    await delay(POLL_MS)
    const reply = await client.call<Import>('GET', `/v1/imports/${sent.importId}`).catch(error => {
      throw new Failed(
        `The service has gone away (${error.message}). The file is there: the import ${sent.importId} goes on by itself when the service is back.`
      )
    })
    if (reply.status !== 200) throw new Failed(`GET /v1/imports/${sent.importId} was answered ${reply.status}`)
    current = reply.body
  }
}

function whyUnsent(error: Error & { code?: string; cause?: { code?: string } }, { url, credentials }: ImportOptions): string {
  const code = error.code ?? error.cause?.code
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || error.message === 'fetch failed')
    return `Nothing answers at ${url}. Start it with npm start, or say where it is with --url.`
  if (error.message.includes('no token'))
    return `${error.message}. Set CLIENT_ID and CLIENT_SECRET, and TOKEN_URL if it is not ${credentials.tokenUrl}.`
  return `The file was not sent: ${error.message}`
}

type ProblemBody = { detail?: string; title?: string; errors?: { pointer: string; detail: string }[] } | undefined

function whyRefused({ status, body }: HttpReply, { credentials }: ImportOptions): string {
  const { detail, title, errors = [] } = (body as ProblemBody) ?? {}
  const faults = errors.map(error => `\n  ${error.pointer}: ${error.detail}`).join('')
  const advice =
    status === 401 || status === 403
      ? `\n${credentials.clientId} needs the scope imports:write; CLIENT_ID names another client.`
      : ''
  return `The service refused the file (${status}): ${detail ?? title ?? 'without a reason'}${faults}${advice}`
}
