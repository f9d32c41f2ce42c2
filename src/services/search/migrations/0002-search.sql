create table products (
  product_id uuid primary key,
  -- Of the news that this row tells; older news changes nothing. 0: told by nobody who counts.
  sequence bigint not null,
  -- listed: found; hidden: a draft or archived, all else is empty; deleted: for good, all else is empty.
  state text not null check (state in ('listed', 'hidden', 'deleted')),
  title text not null,
  slug text,
  brand text,
  skus text[] not null,
  lower_skus text[] not null,
  category_ids uuid[] not null,
  -- Of the variants that are sold; null where that is not known.
  variant_ids uuid[],
  -- Currency → amounts of the variants, ascending: { "EUR": ["89.90", "99.90"] }
  amounts jsonb not null,
  own_words tsvector not null,
  -- Those of the product and of its categories' names.
  words tsvector not null,
  updated_at timestamptz not null
);
create index products_words on products using gin (words);
create index products_lower_skus on products using gin (lower_skus);
create index products_category_ids on products using gin (category_ids);

create table categories (
  category_id uuid primary key,
  sequence bigint not null,
  words tsvector not null
);

create table stock_levels (
  variant_id uuid not null,
  location_id uuid not null,
  product_id uuid not null,
  sequence bigint not null,
  available bigint not null,
  primary key (variant_id, location_id)
);
create index stock_levels_available on stock_levels (product_id) where available > 0;
