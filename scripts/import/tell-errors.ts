/** What is wrong with the products of a file: the first of it on the screen, all of it in a file if one is named. */
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Import, ImportError } from '#contracts/resources/import.ts'
import type { HttpClient } from '#platform/http/http-client.ts'
import type { ImportOptions } from './arguments.ts'

const SHOWN = 10

export async function tellErrors(
  client: HttpClient,
  { errorsUrl, importId }: Import,
  { errors: file, url }: Pick<ImportOptions, 'errors' | 'url'>,
  out: NodeJS.WritableStream
): Promise<void> {
  if (errorsUrl === null) return
  const reply = await client.download(errorsUrl)
  const body = Readable.from(reply.body)
  const { lines, more } = await firstLines(file ? await written(body, file, client, errorsUrl) : body)
  for (const line of lines) {
    const error: ImportError = JSON.parse(line)
    out.write(`  line ${error.line}: ${error.pointer === '#' ? '' : `${error.pointer.slice(2)} `}${error.detail} (${error.code})\n`)
  }
  if (more) out.write(`  … and more\n`)
  if (file) out.write(`All of it is in ${file}\n`)
  else if (more)
    out.write(`All of it: GET ${url}${errorsUrl}, or run it once more with --errors errors-${importId.slice(-4)}.ndjson\n`)
  out.write('Mend these lines and send the file once more: what is in already is not changed again.\n')
}

/** Keeps all of it, and begins anew for the screen. */
async function written(body: Readable, file: string, client: HttpClient, errorsUrl: string): Promise<Readable> {
  await pipeline(body, createWriteStream(file))
  return Readable.from((await client.download(errorsUrl)).body)
}

async function firstLines(body: Readable): Promise<{ lines: string[]; more: boolean }> {
  const lines: string[] = []
  let more = false
  for await (const line of createInterface({ input: body })) {
    more = lines.length === SHOWN
    if (more) break
    lines.push(line)
  }
  body.destroy()
  return { lines, more }
}
