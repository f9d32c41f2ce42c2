-- What products are found, sorted and filtered by, beside the document that is served.

alter table products
  -- The title as it is sorted by: lower case, by code points, whatever the locale of the server.
  add column title_key text collate "C",
  add column brand text,
  add column attributes jsonb,
  add column created_at timestamptz,
  add column updated_at timestamptz;

update products set
  title_key = lower(document::jsonb ->> 'title'),
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
