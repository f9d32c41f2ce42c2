-- What products are found, sorted and filtered by, beside the document that is served.

alter table products
  -- The title as it is sorted by: its first 80 characters in lower case, by code points, whatever the locale of the server.
  add column title_key text collate "C",
  add column brand text,
  add column attributes jsonb,
  add column created_at timestamptz,
  add column updated_at timestamptz;

update products set
  title_key = left(lower(document::jsonb ->> 'title'), 80),
  brand = document::jsonb ->> 'brand',
  attributes = document::jsonb -> 'attributes',
  created_at = (document::jsonb ->> 'createdAt')::timestamptz,
  updated_at = (document::jsonb ->> 'updatedAt')::timestamptz;

alter table products
  alter column title_key set not null,
  alter column attributes set not null,
  alter column created_at set not null,
  alter column updated_at set not null;

-- From what to what the active variants of a product cost, in integer minor units.
create table product_prices (
  product_id uuid not null references products on delete cascade,
  currency text not null,
  min_minor bigint not null,
  max_minor bigint not null check (max_minor >= min_minor),
  primary key (product_id, currency)
);
insert into product_prices (product_id, currency, min_minor, max_minor)
select product_id, currency, min(new_minor), max(new_minor) from (
  select distinct on (c.variant_id, c.currency) v.product_id, c.currency, c.new_minor
  from price_changes c join variants v using (variant_id) where v.status = 'active'
  order by c.variant_id, c.currency, c.sequence desc
) latest where new_minor is not null group by product_id, currency;

-- One index for each order. Listings go through it from where the page before ended.
create index products_created_at on products (created_at, product_id);
create index products_updated_at on products (updated_at, product_id);
create index products_title_key on products (title_key, product_id);
-- With the greatest in it, a range of prices is told from the index alone.
create index product_prices_min_minor on product_prices (currency, min_minor, product_id) include (max_minor);

-- One index for each filter that may pick few of many; what many have is found on the way through an order.
create index products_brand on products (brand) where brand is not null;
-- Nearly all products are active: to keep them out makes importing cheaper, and no plan dearer.
drop index products_status;
create index products_not_active on products (status) where status <> 'active';
-- What is not sorted in yet is read by every search for attributes: half a megabyte costs it half a millisecond, the default of four two.
create index products_attributes on products using gin (attributes jsonb_path_ops) with (gin_pending_list_limit = 512);
