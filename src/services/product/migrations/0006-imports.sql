-- Catalogs that come in as files. A file is kept here in pieces until it is dealt with, so that any process can go on with it.

create table imports (
  import_id uuid primary key,
  status text not null check (status in ('uploading', 'pending', 'running', 'completed', 'failed', 'cancelled')),
  media_type text not null,
  currency text,
  dry_run boolean not null,
  -- Products are changed, and events announced, in the name of whoever sent the file.
  actor text not null,
  traceparent text,
  bytes bigint not null default 0,
  -- Everything before `bytes_done` is dealt with: what the counts say, and in the catalog. Reading goes on from `place`.
  bytes_done bigint not null default 0,
  place jsonb not null,
  rows bigint not null default 0,
  created bigint not null default 0,
  updated bigint not null default 0,
  unchanged bigint not null default 0,
  failed bigint not null default 0,
  -- Rows in import_errors.
  errors bigint not null default 0,
  reason_code text,
  reason_detail text,
  -- Whether what it needed while it ran has been dropped.
  swept boolean not null default false,
  version integer not null default 1,
  created_at timestamptz not null,
  started_at timestamptz,
  completed_at timestamptz,
  updated_at timestamptz not null
);
create index imports_unfinished on imports (import_id) where status in ('uploading', 'pending', 'running');

-- A file, in pieces of a megabyte or so. Looked through once: compressing it would cost more than its space.
create table import_chunks (
  import_id uuid not null references imports,
  -- Bytes of the file before it.
  position bigint not null,
  bytes bytea storage external not null,
  primary key (import_id, position)
);

create table import_errors (
  import_id uuid not null references imports,
  -- Counted from 1, in the order of the file.
  number bigint not null,
  line bigint not null,
  pointer text not null,
  code text not null,
  detail text not null,
  primary key (import_id, number)
);

-- Which products an unfinished import has dealt with: a later line must not be one of them again.
create table import_products (
  import_id uuid not null,
  product_id uuid not null,
  line bigint not null,
  primary key (import_id, product_id)
);

-- What products would be known by after a dry run, which keeps none of them: external ids, SKUs, slugs.
create table import_keys (
  import_id uuid not null,
  key text collate "C" not null,
  product_id uuid not null,
  primary key (import_id, key)
);

-- Categories are found by their names from the top down.
create index categories_name on categories (name, parent_id);

-- What is written with its product, under the lock of the product's row, and deleted with it by `deleteProduct`: looking the product up again
-- for every row is a fifth of what bringing a product in costs. A location is never deleted.
alter table variants drop constraint variants_product_id_fkey;
alter table product_categories drop constraint product_categories_product_id_fkey;
alter table product_prices drop constraint product_prices_product_id_fkey;
alter table stock_levels drop constraint stock_levels_location_id_fkey;
