/** Asks the service, call by call, and tells what it says. */
import type { DeadLetter, DiscardedDeadLetters, ReplayedDeadLetters } from '#contracts/resources/dead-letter.ts'
import { type HttpClient, type HttpReply, openHttpClient } from '#platform/http/http-client.ts'
import type { Command, DeadLetterOptions } from './arguments.ts'
import { tellDeadLetter, tellGroups, tellList } from './tell.ts'

/** It did not work, and the message says what to do. */
export class Failed extends Error {}

/** Says whether everything that was asked for was done. Throws `Failed`. */
export async function run(options: DeadLetterOptions, out: NodeJS.WritableStream): Promise<boolean> {
  const { url, credentials } = options
  await using first = openHttpClient({ url, credentials, tries: 1 })
  // Whether anybody is there is known at once; later, a service that dies is waited for.
  await ask(first, options, 'GET', '/v1/dead-letters?limit=1')
  await using client = openHttpClient({ url, credentials })
  return await commands[options.command](client, options, out)
}

type Run = (client: HttpClient, options: DeadLetterOptions, out: NodeJS.WritableStream) => Promise<boolean>

const commands: Readonly<Record<Command, Run>> = {
  async list(client, options, out) {
    const letters: DeadLetter[] = []
    let cursor: string | null = null
    do {
      const limit = String(Math.min(100, options.limit - letters.length))
      const status = options.status === 'any' ? {} : { status: options.status }
      const query = new URLSearchParams({ ...options.filter, ...status, limit, ...(cursor ? { cursor } : {}) })
      const page: { data: DeadLetter[]; nextCursor: string | null } = await ask(client, options, 'GET', `/v1/dead-letters?${query}`)
      letters.push(...page.data)
      cursor = page.nextCursor
    } while (cursor && letters.length < options.limit)
    if (options.json) for (const letter of letters) out.write(`${JSON.stringify(letter)}\n`)
    else tellList(letters, cursor !== null, options, out)
    return true
  },

  async show(client, options, out) {
    const letter = await ask<DeadLetter>(client, options, 'GET', pathOf(options.ids[0]!))
    if (options.json) out.write(`${JSON.stringify(letter)}\n`)
    else tellDeadLetter(letter, out)
    return true
  },

  async replay(client, options, out) {
    if (options.ids.length > 0) return each(client, options, out, 'replayed', id => [`${pathOf(id)}/replay`])
    const total = await slices<ReplayedDeadLetters>(client, options, '/v1/dead-letters/replay', {}, [
      'replayed',
      'failed',
      'skipped'
    ])
    if (options.json) out.write(`${JSON.stringify(total)}\n`)
    else if (total.dryRun) tellGroups(total, 'would be replayed', out)
    else {
      out.write(`${total.replayed} replayed, ${total.failed} failed again, ${total.skipped} left out\n`)
      if (total.failed > 0)
        out.write('Those that failed again are still open, each with its new error: npm run dead-letters -- list\n')
      if (total.skipped > 0)
        out.write(
          'Left out is what somebody else is at, and what did not come back three times: replay that by its id, one at a time.\n'
        )
    }
    return total.failed + total.skipped === 0
  },

  async discard(client, options, out) {
    const note = options.note ?? 'dry run'
    if (options.ids.length > 0) return each(client, options, out, 'discarded', id => [`${pathOf(id)}/discard`, { note }])
    const total = await slices<DiscardedDeadLetters>(client, options, '/v1/dead-letters/discard', { note }, ['discarded'])
    if (options.json) out.write(`${JSON.stringify(total)}\n`)
    else if (total.dryRun) tellGroups(total, 'would be discarded', out)
    else out.write(`${total.discarded} discarded\n`)
    return true
  }
}

const pathOf = (id: string) => `/v1/dead-letters/${encodeURIComponent(id)}`

async function each(
  client: HttpClient,
  options: DeadLetterOptions,
  out: NodeJS.WritableStream,
  wanted: DeadLetter['status'],
  request: (id: string) => [path: string, body?: unknown]
): Promise<boolean> {
  let allDone = true
  for (const id of options.ids) {
    const letter = await ask<DeadLetter>(client, options, 'POST', ...request(id))
    const done = letter.status === wanted
    allDone &&= done
    if (options.json) out.write(`${JSON.stringify(letter)}\n`)
    else out.write(done ? `${id} is ${wanted}\n` : `${id} failed again: ${letter.lastError}\n`)
  }
  return allDone
}

/** One slice after another until there are no more; their counts are added up. */
async function slices<Done extends ReplayedDeadLetters | DiscardedDeadLetters>(
  client: HttpClient,
  options: DeadLetterOptions,
  path: string,
  more: object,
  counted: readonly (keyof Done)[]
): Promise<Done> {
  let total: Done | undefined
  let after: string | null = null
  do {
    const body: object = { ...options.filter, ...more, dryRun: options.dryRun, ...(after ? { after } : {}) }
    const done: Done = await ask<Done>(client, options, 'POST', path, body)
    const before = total
    total = before
      ? { ...before, ...Object.fromEntries(counted.map(name => [name, Number(before[name]) + Number(done[name])])) }
      : done
    after = done.next
  } while (after)
  return { ...total, next: null }
}

async function ask<Body>(client: HttpClient, options: DeadLetterOptions, method: 'GET' | 'POST', path: string, body?: unknown) {
  const reply = await client.call<Body>(method, path, body === undefined ? {} : { body }).catch(error => {
    throw new Failed(whyUnasked(error, options))
  })
  if (reply.status !== 200) throw new Failed(whyRefused(reply, options))
  return reply.body
}

function whyUnasked(error: Error & { code?: string; cause?: { code?: string } }, { url, credentials }: DeadLetterOptions): string {
  const code = error.code ?? error.cause?.code
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || error.message === 'fetch failed')
    return `Nothing answers at ${url}. Start it with npm start, or say where it is with --url.`
  if (error.message.includes('no token'))
    return `${error.message}. Set CLIENT_ID and CLIENT_SECRET, and TOKEN_URL if it is not ${credentials.tokenUrl}.`
  return `The service has gone away (${error.message}). What was done is done: run the same command again when it is back.`
}

type ProblemBody = { detail?: string; title?: string; errors?: { pointer: string; detail: string }[] } | undefined

function whyRefused({ status, body }: HttpReply, { credentials, command }: DeadLetterOptions): string {
  const { detail, title, errors = [] } = (body as ProblemBody) ?? {}
  const faults = errors.map(error => `\n  ${error.pointer}: ${error.detail}`).join('')
  const scope = command === 'list' || command === 'show' ? 'operations:read' : 'operations:read and operations:write'
  const advice: Readonly<Record<number, string>> = {
    401: `\n${credentials.clientId} needs the scope ${scope}; CLIENT_ID names another client.`,
    403: `\n${credentials.clientId} needs the scope ${scope}; CLIENT_ID names another client.`,
    404: '\nnpm run dead-letters -- list has the ids of those that are open.',
    409: '\nOnly open ones are replayed or discarded; show ID says what became of it.'
  }
  return `The service refused (${status}): ${detail ?? title ?? 'without a reason'}${faults}${advice[status] ?? ''}`
}
