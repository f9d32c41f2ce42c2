/** The load of a world of webhooks: categories that are made and renamed through the API, and changes that are taken back. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Actor } from '#platform/identity/actor.ts'
import type { Database } from '#platform/postgres/database.ts'
import { createCategory } from '../../src/services/product/catalog/create-category.ts'
import { updateCategory } from '../../src/services/product/catalog/update-category.ts'
import type { Happened } from './webhook-ledger.ts'

export type Written = { acknowledged: Happened[]; takenBack: string[] }

type Category = { categoryId: string; version: number }

const WRITERS = 4
const PAUSE_MS = 160
const KEYS_EACH = 8
const TAKEN_BACK = 0.1

class TakenBack extends Error {}

/** Runs until disposed. What fails because the database is away is not tried again: the ledger knows what became of it. */
export function startCategoryWriters(
  url: string,
  database: Database,
  chance: () => number,
  written: Written
): AsyncDisposable & { failed(): unknown } {
  let stopped = false
  let failure: unknown
  const working = Array.from({ length: WRITERS }, () => write().catch(error => (failure ??= error)))

  async function write(): Promise<void> {
    const own: string[] = []
    while (!stopped) {
      const makes = own.length < KEYS_EACH && chance() < 0.3
      const key = makes ? undefined : own[Math.floor(chance() * own.length)]
      if (chance() < TAKEN_BACK) await takeBack(key)
      else {
        const made = await change(key)
        if (made && key === undefined) own.push(made.categoryId)
      }
      await delay(PAUSE_MS * (0.5 + chance()))
    }
  }

  /** Undefined when it is not known what became of it. */
  async function change(key: string | undefined): Promise<Category | undefined> {
    const [method, path] = key === undefined ? ['POST', '/v1/categories'] : ['PATCH', `/v1/categories/${key}`]
    const response = await fetch(url + path, {
      method,
      headers: { authorization: 'Bearer anybody', 'content-type': 'application/json' },
      body: JSON.stringify({ name: `ζ "${randomUUID()}"` }),
      signal: AbortSignal.timeout(30_000)
    }).catch(() => undefined)
    if (!response) return undefined
    const body = await response.text()
    if (response.status >= 500) return undefined
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${body}`)
    const category = JSON.parse(body) as Category
    written.acknowledged.push({ key: category.categoryId, n: category.version })
    return category
  }

  async function takeBack(key: string | undefined): Promise<void> {
    const word = `taken-back-${randomUUID()}`
    written.takenBack.push(word)
    const given = { ...{ query: {}, actor, expected: null, traceparent: undefined }, body: { name: word } }
    await database
      .transact(async tx => {
        if (key === undefined) await createCategory(tx, { ...given, params: {} } as never)
        else await updateCategory(tx, { ...given, params: { categoryId: key } } as never)
        throw new TakenBack()
      })
      .catch(() => {})
  }

  return {
    failed: () => failure,
    async [Symbol.asyncDispose]() {
      stopped = true
      await Promise.all(working)
    }
  }
}

const actor: Actor = { issuer: 'test', subject: 'anybody', clientId: 'anybody', scopes: new Set() }
