-- The catalog. A product with its variants and prices is one document, kept as the text that is served and announced, and changed
-- under the lock of its row. The tables beside it hold what must be unique, referenced, searched for or remembered.

create table categories (
  category_id uuid primary key,
  parent_id uuid references categories,
  name text not null,
  slug text collate "C" not null unique,
  description text,
  -- From the top down to this one.
  path uuid[] not null check (path[cardinality(path)] = category_id),
  version integer not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index categories_parent_id on categories (parent_id, category_id);
create index categories_path on categories using gin (path);

create table products (
  product_id uuid primary key,
  external_id text unique,
  slug text collate "C" not null unique,
  status text not null check (status in ('draft', 'active', 'archived')),
  version integer not null check (version >= 1),
  -- Of the last event that tells of the product itself; its other subjects count by their versions.
  sequence bigint not null check (sequence >= version),
  document text not null
);
create index products_status on products (status, product_id);

create table variants (
  variant_id uuid primary key,
  product_id uuid not null references products on delete cascade,
  sku text collate "C" not null unique,
  status text not null check (status in ('active', 'archived')),
  -- A digest of the values of its options.
  options_key bytea not null,
  unique (product_id, options_key)
);

create table product_categories (
  product_id uuid not null references products on delete cascade,
  category_id uuid not null references categories,
  primary key (product_id, category_id)
);
create index product_categories_category_id on product_categories (category_id, product_id);

-- What prices were, in integer minor units: the latest row of a variant and currency is the price now. It outlives the variant.
create table price_changes (
  price_change_id bigint generated always as identity primary key,
  variant_id uuid not null,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  -- Of the PriceUpdated that told of it.
  sequence bigint not null,
  old_minor bigint check (old_minor >= 0),
  new_minor bigint check (new_minor >= 0),
  effective_at timestamptz not null,
  actor text not null,
  check (old_minor is distinct from new_minor),
  unique (variant_id, currency, sequence)
);
create index price_changes_variant_id on price_changes (variant_id, price_change_id);

create function keep_price_history() returns trigger language plpgsql as $$
begin
  raise exception 'the price history is append-only: % is refused', tg_op;
end $$;
create trigger price_changes_append_only before update or delete or truncate on price_changes
  for each statement execute function keep_price_history();
