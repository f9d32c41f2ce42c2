/**
 * A catalog of any size, written by SQL in seconds: for tests of plans and for measurements. Every row and document is what the API would
 * have written, stock, ledger and price history included; only no event tells of them.
 */
import type { Database } from '#platform/postgres/database.ts'

/** Totals; variants are spread evenly over the products. */
export type CatalogSize = { products: number; variants: number }

/** Products in one transaction: a statement is done in time, whatever the size of the whole. */
const CHUNK = 2500

/**
 * Fills an empty catalog of the product service. Product number n, from 1, is the n-th oldest; its external id is `full-n`, and its SKUs
 * are `FULL-n-1`, `FULL-n-2`, …. Of a hundred products about 92 are active, 5 drafts and 3 archived; one in five was changed since it was
 * made; 99 have prices in EUR, 50 in USD. One in ten variants is sold out. There are 100 brands and, in two levels, 110 categories, all of
 * very different sizes.
 */
export async function fillCatalog(database: Database, { products, variants }: CatalogSize): Promise<void> {
  await database.query(insertCategories)
  const startMs = Date.now() - products * 1000
  for (let first = 1; first <= products; first += CHUNK) {
    const last = Math.min(first + CHUNK - 1, products)
    await database.transact(async tx => {
      await tx.query(makeVariants, [first, last, variants / products, startMs])
      await tx.query(makeProducts, [Date.now()])
      for (const insert of inserts) await tx.query(insert)
    })
  }
  for (const table of tables) await database.query(`vacuum (analyze) ${table}`)
}

const tables = [
  'categories',
  'products',
  'variants',
  'product_categories',
  'product_prices',
  'price_changes',
  'stock_items',
  'stock_levels',
  'stock_ledger'
]

/** Ten categories with ten below each. */
const insertCategories = `
  with top as (
    insert into categories (category_id, name, slug, path, version, created_at, updated_at)
    select id, 'Full ' || n, 'full-' || n, array[id], 1, at, at
    from (select n, uuidv7() as id, date_trunc('milliseconds', now()) as at from generate_series(1, 10) n) as made
    returning category_id, slug, created_at
  )
  insert into categories (category_id, parent_id, name, slug, path, version, created_at, updated_at)
  select id, category_id, 'Below ' || n, slug || '-' || n, array[category_id, id], 1, created_at, created_at
  from (select top.*, n, uuidv7() as id from top, generate_series(1, 10) n) as made`

/** As many dice as a product or variant needs, thrown the same at each run: from 0, evenly below 2^28. */
const die = (name: string, of: string) => `('x' || substr(md5('${name} ' || ${of}), 1, 7))::bit(28)::int`

/** A UUIDv7 of the millisecond `ms`. */
const idOf = (name: string, of: string) =>
  `(lpad(to_hex(ms), 12, '0') || '7' || substr(md5('${name} ' || ${of}), 1, 3) || '8' || substr(md5('${name} ' || ${of}), 4, 15))::uuid`

const isoOf = (ms: string) => `to_char(to_timestamp((${ms}) / 1000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

const price = (currency: string) =>
  `'{"amount":"' || minor / 100 || '.' || lpad((minor % 100)::text, 2, '0') || '","currency":"${currency}"}'`

/** $1 the first number, $2 the last, $3 variants of a product on average, $4 when it all began, in milliseconds. */
const makeVariants = `
  create temporary table made_variants on commit drop as
  with numbered as (
    select n, k, $4::bigint + n * 1000 as ms, n || '-' || k as name
    from generate_series($1::int, $2::int) n, generate_series(1, floor(n * $3::float)::int - floor((n - 1) * $3::float)::int) k
  ), thrown as (
    select *, ${idOf('product', 'n')} as product_id, ${idOf('variant', 'name')} as variant_id, ${isoOf('ms')} as at,
      500 + ${die('price', 'n')} % 40000 + (k - 1) * (${die('step', 'n')} % 3) * 250 as minor,
      ${die('euro', 'n')} % 100 > 0 as in_eur, ${die('dollar', 'n')} % 2 = 0 as in_usd,
      case when ${die('sold out', 'name')} % 10 = 0 then 0 else ${die('on hand', 'name')} % 500 + 1 end as on_hand
    from numbered
  )
  select *, sha256(convert_to('[["Size","' || 35 + k || '"]]', 'UTF8')) as options_key,
    '{"variantId":"' || variant_id || '","productId":"' || product_id || '","sku":"FULL-' || name || '","status":"active","options":{"Size":"' || 35 + k
      || '"},"attributes":{},"prices":[' || concat_ws(',', case when in_eur then ${price('EUR')} end, case when in_usd then ${price('USD')} end)
      || '],"version":1,"createdAt":"' || at || '","updatedAt":"' || at || '"}' as document
  from thrown`

/** $1 now, in milliseconds: no product was changed later. */
const makeProducts = `
  create temporary table made_products on commit drop as
  with gathered as (
    select product_id, n, ms, at, string_agg(document, ',' order by k) as variants, string_agg('"' || 35 + k || '"', ',' order by k) as sizes
    from made_variants group by product_id, n, ms, at
  ), thrown as (
    select *, ${die('status', 'n')} % 100 as s, ${die('changed', 'n')} as changed, sqrt(${die('brand', 'n')} % 10000)::int as brand,
      ${die('material', 'n')} as material, ${die('weight', 'n')} % 2000 as weight, ${die('title', 'n')} as title
    from gathered
  ), said as (
    select *, case when s < 92 then 'active' when s < 97 then 'draft' else 'archived' end as status, 'Brand ' || brand as brand_name,
      (array['Trail', 'City', 'Winter', 'Summit', 'Harbour', 'Meadow', 'Night', 'Canyon'])[1 + title % 8] || ' '
        || (array['shoe', 'jacket', 'lamp', 'tent', 'bottle', 'chair', 'glove', 'kettle'])[1 + title / 8 % 8] || ' ' || n as title_text,
      '{"material":"' || (array['mesh', 'leather', 'wool', 'steel', 'cork', 'linen', 'glass', 'hemp'])[1 + material % 8]
        || '","waterproof":' || (material / 8 % 4 = 0) || ',"weightGrams":' || weight || ',"tags":["t' || material / 32 % 50 || '","t' || material / 1600 % 50 || '"]}'
        as attributes,
      (select json_agg(category_id order by category_id)::text from categories
       where parent_id is not null and slug in ('full-' || 1 + brand / 11 || '-' || 1 + n % 10, 'full-1-' || 1 + n % 7)) as category_ids,
      case when s >= 97 or changed % 5 = 0 then ms + ((changed / 5 % 1000) * ($1::bigint - ms)) / 1000 else ms end as updated_ms
    from thrown
  )
  select *, case when updated_ms > ms then 2 else 1 end as version, ${isoOf('updated_ms')} as updated_at,
    replace(lower(title_text), ' ', '-') as slug
  from said`

const inserts = [
  `insert into products (product_id, external_id, slug, status, version, sequence, title_key, brand, attributes, created_at, updated_at, document)
   select product_id, 'full-' || n, slug, status, version, version + (status = 'archived')::int, lower(title_text), brand_name,
     attributes::jsonb, at::timestamptz, updated_at::timestamptz,
     '{"productId":"' || product_id || '","externalId":"full-' || n || '","title":"' || title_text || '","slug":"' || slug || '","status":"' || status
       || '","description":"' || repeat('Made for stony paths and wet rock, it dries within an hour. ', 4) || '","brand":"' || brand_name
       || '","categoryIds":' || replace(category_ids, ' ', '') || ',"attributes":' || attributes || ',"media":[],"options":[{"name":"Size","values":['
       || sizes || ']}],"variants":[' || variants || '],"version":' || version || ',"createdAt":"' || at || '","updatedAt":"' || updated_at || '"}'
   from made_products order by n`,
  `insert into product_categories (product_id, category_id)
   select product_id, id::uuid from made_products, json_array_elements_text(category_ids::json) as id`,
  `insert into variants (variant_id, product_id, sku, status, options_key)
   select variant_id, product_id, 'FULL-' || name, 'active', options_key from made_variants order by n, k`,
  `insert into price_changes (variant_id, currency, sequence, old_minor, new_minor, effective_at, actor)
   select variant_id, currency, 1, null, minor, at::timestamptz, 'full-catalog'
   from made_variants, unnest(array['EUR', 'USD'], array[in_eur, in_usd]) as c (currency, has) where has order by n, k, currency`,
  `insert into product_prices (product_id, currency, min_minor, max_minor)
   select product_id, currency, min(minor), max(minor)
   from made_variants, unnest(array['EUR', 'USD'], array[in_eur, in_usd]) as c (currency, has) where has group by product_id, currency`,
  `insert into stock_items (variant_id, product_id, tracked) select variant_id, product_id, true from made_variants`,
  `insert into stock_levels (variant_id, location_id, on_hand, version)
   select variant_id, location_id, on_hand, case when on_hand > 0 then 2 else 1 end from made_variants, locations where is_default`,
  `insert into stock_ledger (variant_id, location_id, kind, delta_on_hand, delta_reserved, on_hand_after, reserved_after, reason, actor)
   select variant_id, location_id, 'receive', on_hand, 0, on_hand, 0, 'received', 'full-catalog'
   from made_variants, locations where is_default and on_hand > 0 order by n, k`
]
