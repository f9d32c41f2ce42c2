import type { EventOf } from '#contracts/envelope.ts'
import type { CategoryCreated } from '#contracts/events/product-events.ts'
import type { Transaction } from '#platform/postgres/database.ts'
import { lockCategoryNames } from './category-names.ts'
import { wordVector } from './words.ts'

/** Makes products findable by the name of their category, whichever of the two comes first. */
export async function followCategory(tx: Transaction, category: EventOf<typeof CategoryCreated>): Promise<void> {
  await lockCategoryNames(tx, 'to write')
  const [newer] = await tx.query(
    `insert into categories as c (category_id, sequence, words) values ($1, $2, $3::tsvector)
     on conflict (category_id) do update set sequence = excluded.sequence, words = excluded.words
     where c.sequence < excluded.sequence returning 1`,
    [category.categoryId, category.sequence, wordVector([['C', category.name]])]
  )
  if (!newer) return
  await tx.query(
    `update products p set words = own_words ||
       (select string_agg(c.words::text, ' ')::tsvector from categories c where c.category_id = any (p.category_ids))
     where category_ids @> array[$1]::uuid[]`,
    [category.categoryId]
  )
}
