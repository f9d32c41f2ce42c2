-- Stock: where it is, how much, why, and for whom.

create table locations (
  location_id uuid primary key,
  code text not null,
  name text not null,
  priority integer not null default 100,
  active boolean not null default true,
  is_default boolean not null default false,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint locations_code unique (code)
);
create unique index locations_one_default on locations (is_default) where is_default;
insert into locations (location_id, code, name, is_default) values (uuidv7(), 'default', 'Default location', true);

-- What is counted of a variant beyond its levels. Changed only while its levels are locked.
create table stock_items (
  variant_id uuid primary key,
  product_id uuid not null,
  tracked boolean not null,
  low_stock_threshold bigint,
  -- Whether InventoryLowStock was announced and stock has not recovered since: edges, not levels, are told.
  low boolean not null default false,
  alert_sequence bigint not null default 0,
  version integer not null default 1
);

-- The counters. Half-empty pages keep updates of a hot row on its page.
create table stock_levels (
  variant_id uuid not null,
  location_id uuid not null references locations,
  on_hand bigint not null default 0,
  reserved bigint not null default 0,
  safety_stock bigint not null default 0,
  version bigint not null default 1,
  primary key (variant_id, location_id),
  constraint stock_levels_on_hand check (on_hand between 0 and 2000000000),
  constraint stock_levels_never_oversold check (reserved between 0 and on_hand),
  constraint stock_levels_safety_stock check (safety_stock between 0 and 2000000000)
) with (fillfactor = 50);

-- Every change of every counter, written in the statement that makes it.
create table stock_ledger (
  ledger_entry_id bigint generated always as identity primary key,
  variant_id uuid not null,
  location_id uuid not null,
  kind text not null check (kind in ('receive', 'adjust', 'reserve', 'release', 'expire', 'commit', 'restock', 'write-off')),
  delta_on_hand bigint not null,
  delta_reserved bigint not null,
  on_hand_after bigint not null,
  reserved_after bigint not null,
  reason text,
  note text,
  order_id text,
  actor text not null,
  at timestamptz not null default now()
);
create index stock_ledger_by_level on stock_ledger (variant_id, location_id, ledger_entry_id);
create index stock_ledger_by_order on stock_ledger (order_id, ledger_entry_id) where order_id is not null;

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only: % is refused', tg_op;
end $$;
create trigger stock_ledger_append_only before update or delete or truncate on stock_ledger
  for each statement execute function refuse_change();

create table reservations (
  reservation_id uuid primary key,
  order_id text not null,
  user_id text,
  status text not null check (status in
    ('reserved', 'committed', 'released', 'expired', 'rejected', 'cancelled_before_create', 'awaiting_order')),
  -- What is known of the order: the final status is a function of these, in whatever order they came.
  ordered boolean not null,
  confirmed boolean not null,
  cancelled boolean not null,
  completed boolean not null,
  restocked boolean not null default false,
  items jsonb not null,
  expires_at timestamptz,
  reason text,
  version integer not null default 1,
  -- Events announced of this order.
  sequence bigint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint reservations_order_id unique (order_id)
);
create index reservations_by_deadline on reservations (expires_at) where status = 'reserved' and expires_at is not null;

-- Where the units of a reservation are held.
-- Written with its reservation, never without: a foreign key would look that up again for every line.
create table reservation_lines (
  reservation_id uuid not null,
  variant_id uuid not null,
  location_id uuid not null,
  quantity bigint not null check (quantity > 0),
  primary key (reservation_id, variant_id, location_id)
);
