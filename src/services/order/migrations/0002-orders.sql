create table orders (
  -- Text, since news about the orders of other services comes on the same topic, with ids of any form.
  order_id text primary key,
  user_id text not null,
  status text not null default 'pending' check (status in ('pending', 'confirmed', 'rejected', 'cancelled', 'completed')),
  -- Whether the customer has confirmed, which is announced once; `confirmed` says that the stock is held.
  paid boolean not null default false,
  items jsonb not null,
  reason text,
  version bigint not null default 1,
  -- Counts the events about the order.
  sequence bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index orders_by_user on orders (user_id, order_id);
create index orders_by_status on orders (status, order_id);
