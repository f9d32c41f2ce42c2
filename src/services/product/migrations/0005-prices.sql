-- Prices by list: for whom, from how many on, when. What applied stays as it was, so that any instant can be asked about and told of.

create table price_lists (
  price_list_id uuid primary key,
  code text not null,
  name text not null,
  -- Empty: any. So in every table here, for a unique key and an equation hold for it then.
  channel text not null,
  customer_group text not null,
  priority integer not null,
  status text not null check (status in ('active', 'archived')),
  version integer not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint price_lists_code unique (code)
);

-- As what a list applied, and when. A list that changes closes its row and opens another; one that is archived or deleted has none open.
-- It outlives the list.
create table price_list_periods (
  price_list_id uuid not null,
  from_at timestamptz not null,
  to_at timestamptz,
  channel text not null,
  customer_group text not null,
  priority integer not null,
  opened_by text not null,
  closed_by text,
  primary key (price_list_id, from_at),
  check (to_at > from_at)
);
create unique index price_list_periods_open on price_list_periods (price_list_id) where to_at is null;

-- The prices of lists. One that is replaced or removed stays, with when that was.
create table listed_prices (
  listed_price_id bigint generated always as identity primary key,
  price_id uuid not null,
  price_list_id uuid not null,
  product_id uuid not null,
  variant_id uuid not null,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  min_quantity bigint not null check (min_quantity >= 1),
  amount_minor bigint not null check (amount_minor >= 0),
  starts_at timestamptz,
  ends_at timestamptz,
  set_at timestamptz not null,
  set_by text not null,
  removed_at timestamptz,
  removed_by text,
  check (starts_at < ends_at),
  check (removed_at >= set_at),
  constraint listed_prices_overlap exclude using gist
    (price_list_id with =, variant_id with =, currency with =, min_quantity with =, tstzrange(starts_at, ends_at) with &&)
    where (removed_at is null)
);
create unique index listed_prices_price_id on listed_prices (price_id) where removed_at is null;
create index listed_prices_price_list_id on listed_prices (price_list_id, price_id) where removed_at is null;
create index listed_prices_variant_id on listed_prices (variant_id, currency);

-- When the prices of lists applied, or will: never before they were set, never after they were removed, only while their list did.
create view price_periods as
select p.price_id, p.price_list_id, p.product_id, p.variant_id, p.currency, p.min_quantity, p.amount_minor, p.starts_at, p.ends_at,
  l.channel, l.customer_group, l.priority, t.from_at, t.to_at,
  case t.from_at when p.set_at then 'manual' when l.from_at then 'price-list' else 'schedule-start' end as from_cause,
  case t.from_at when p.set_at then p.set_by when l.from_at then l.opened_by else 'schedule' end as from_actor,
  case t.to_at when p.removed_at then 'manual' when l.to_at then 'price-list' else 'schedule-end' end as to_cause,
  case t.to_at when p.removed_at then p.removed_by when l.to_at then l.closed_by else 'schedule' end as to_actor
from listed_prices p
join price_list_periods l using (price_list_id)
cross join lateral (
  select greatest(p.starts_at, p.set_at, l.from_at) as from_at, least(p.ends_at, p.removed_at, l.to_at) as to_at
) t
where t.from_at < coalesce(t.to_at, 'infinity');

-- The variants that have, or had, prices of lists: up to when all changes of what is paid for them are told, and when there is one next.
create table price_reviews (
  variant_id uuid primary key,
  product_id uuid not null,
  reviewed_to timestamptz not null,
  due_at timestamptz
);
create index price_reviews_due_at on price_reviews (due_at) where due_at is not null;

-- Beside the base price, the history has what buyers of a channel, a group or a quantity pay.
alter table price_changes
  add column channel text not null default '',
  add column customer_group text not null default '',
  add column min_quantity bigint not null default 1,
  -- The list whose price it is since; null: the base price, or none.
  add column price_list_id uuid,
  add column cause text not null default 'manual',
  -- Whether this is, or is also, a change of the base price.
  add column base boolean not null default true,
  -- Null when nobody was told: the base price changed behind the price of a list.
  alter column sequence drop not null,
  drop constraint price_changes_variant_id_currency_sequence_key,
  add constraint price_changes_sequence unique (variant_id, currency, channel, customer_group, min_quantity, sequence);
