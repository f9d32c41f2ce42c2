-- What every service stands on: outbox, event log, outlets, inbox, parked messages, dead letters, idempotency keys, secrets.

create table outbox (
  seq bigint generated always as identity primary key,
  event_id uuid not null,
  topic text not null,
  key text not null,
  type text not null,
  version smallint not null,
  subject text not null,
  sequence bigint not null,
  -- The exact characters that are sent: never jsonb, which reorders keys.
  body text not null,
  traceparent text
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

create table event_log (
  position bigint primary key,
  event_id uuid not null,
  topic text not null,
  key text not null,
  type text not null,
  version smallint not null,
  subject text not null,
  sequence bigint not null,
  body text not null,
  traceparent text,
  logged_at timestamptz not null default now()
) partition by range (position);

-- One row: the position given last. Updated by the relay, which thereby gives gapless positions in commit order.
create table event_log_head (
  only_row boolean primary key default true check (only_row),
  position bigint not null
);
insert into event_log_head (position) values (0);

-- How far each outlet has followed the event log.
create table outlets (
  name text primary key,
  position bigint not null default 0,
  updated_at timestamptz not null default now()
);

-- Events that an outlet's receiver refuses for good; the outlet's cursor passed them.
create table quarantined_events (
  outlet text not null,
  position bigint not null,
  event_id uuid not null,
  key text not null,
  reason text not null,
  at timestamptz not null default now(),
  primary key (outlet, position)
);

-- Every event that a consumer has taken effect of, or set aside.
create table inbox (
  consumer text not null,
  source text not null,
  event_id text not null,
  received_at timestamptz not null default now(),
  primary key (consumer, source, event_id)
);
-- For pruning only: a block range index costs an insert next to nothing.
create index inbox_received_at on inbox using brin (received_at);

-- Messages that wait for another try, and those of the same key behind them.
create table parked_messages (
  position bigint generated always as identity primary key,
  consumer text not null,
  key text not null,
  message jsonb not null,
  attempts integer not null,
  next_at timestamptz not null,
  first_error text not null,
  last_error text not null,
  parked_at timestamptz not null default now()
);
create index parked_messages_by_key on parked_messages (consumer, key, position);

create table dead_letters (
  dead_letter_id uuid primary key,
  consumer text not null,
  topic text not null,
  key text not null,
  event_id text,
  event_type text,
  reason text not null,
  status text not null default 'open' check (status in ('open', 'replayed', 'discarded')),
  attempts integer not null,
  first_error text not null,
  last_error text not null,
  headers jsonb not null,
  body bytea not null,
  note text,
  resolved_by text,
  received_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index dead_letters_open on dead_letters (dead_letter_id) where status = 'open';

create table idempotency_keys (
  principal text not null,
  key text not null,
  fingerprint text not null,
  status smallint not null,
  headers jsonb not null,
  body text not null,
  created_at timestamptz not null default now(),
  primary key (principal, key)
);
create index idempotency_keys_created_at on idempotency_keys using brin (created_at);

-- Secrets that the processes of a service share, such as the one that authenticates cursors.
create table secrets (
  name text primary key,
  value bytea not null
);
insert into secrets (name, value) values
  ('cursor', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- Takes effect once: 'fresh' when this consumer sees the event for the first time, 'duplicate' when it has seen it,
-- 'behind' when an earlier message of the key still waits. Serialises a key's messages until the transaction ends.
create function claim(a_consumer text, a_source text, an_event_id text, a_key text) returns text
language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(a_consumer || ' ' || a_key, 1));
  insert into inbox (consumer, source, event_id) values (a_consumer, a_source, an_event_id) on conflict do nothing;
  if not found then
    return 'duplicate';
  end if;
  if exists (select from parked_messages where consumer = a_consumer and key = a_key) then
    return 'behind';
  end if;
  return 'fresh';
end $$;
