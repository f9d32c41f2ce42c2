-- Webhooks: where events are delivered to, what of each event is to be delivered where, and every try.

create table webhook_endpoints (
  webhook_endpoint_id uuid primary key,
  url text not null,
  description text,
  event_types text[] not null,
  filter jsonb,
  ordering text not null check (ordering in ('none', 'key')),
  in_flight_max integer not null check (in_flight_max between 1 and 50),
  requests_per_second integer check (requests_per_second between 1 and 1000),
  status text not null check (status in ('enabled', 'disabled')),
  disabled_reason text,
  disabled_at timestamptz,
  failing_since timestamptz,
  -- Who may read what is delivered, as it was when the endpoint was changed last; of API keys and users, what is known now counts.
  owner_issuer text not null,
  owner_subject text not null,
  owner_client_id text not null,
  owner_user_id text,
  owner_scopes text[] not null,
  -- What stands in the event log up to there is not for it: it was disabled, or did not exist.
  from_position bigint not null,
  version integer not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  check ((status = 'disabled') = (disabled_at is not null) and (status = 'disabled') = (disabled_reason is not null))
);
create index webhook_endpoints_owner on webhook_endpoints (owner_issuer, owner_subject, webhook_endpoint_id);

create table webhook_secrets (
  secret_id uuid primary key,
  webhook_endpoint_id uuid not null references webhook_endpoints on delete cascade,
  secret bytea not null,
  sealed boolean not null,
  created_at timestamptz not null,
  ends_at timestamptz
);
create index webhook_secrets_endpoint on webhook_secrets (webhook_endpoint_id, secret_id);

-- What is delivered, once for all endpoints: it outlives the event log's copy, and pings have none.
create table webhook_messages (
  message_id uuid primary key,
  event_type text not null,
  key text not null,
  position bigint,
  headers jsonb not null,
  body text not null,
  created_at timestamptz not null default now()
);
create index webhook_messages_created_at on webhook_messages (created_at);

-- No foreign key to endpoints: who fans events out would wait for whoever deletes one. What is left of a deleted one is swept.
create table webhook_deliveries (
  webhook_delivery_id uuid primary key,
  webhook_endpoint_id uuid not null,
  message_id uuid not null,
  event_type text not null,
  key text not null,
  -- In this order, where the endpoint asks for order.
  place bigint generated always as identity,
  status text not null check (status in ('pending', 'delivered', 'failed', 'cancelled')),
  -- Tries so far, and the first of them that belongs to the schedule of now.
  attempts integer not null default 0,
  attempts_before integer not null default 0,
  next_attempt_at timestamptz,
  last_response_status integer,
  last_error text,
  created_at timestamptz not null default now(),
  requested_at timestamptz not null default now(),
  completed_at timestamptz,
  unique (webhook_endpoint_id, message_id),
  check ((status = 'pending') = (next_attempt_at is not null))
) with (fillfactor = 80);
create index webhook_deliveries_due on webhook_deliveries (webhook_endpoint_id, next_attempt_at) where status = 'pending';
create index webhook_deliveries_line on webhook_deliveries (webhook_endpoint_id, key, place) where status = 'pending';
create index webhook_deliveries_of_endpoint on webhook_deliveries (webhook_endpoint_id, webhook_delivery_id);
create index webhook_deliveries_message on webhook_deliveries (message_id);
create index webhook_deliveries_requested_at on webhook_deliveries (requested_at);

create table webhook_attempts (
  webhook_delivery_id uuid not null references webhook_deliveries on delete cascade,
  attempt integer not null,
  at timestamptz not null,
  duration_ms integer not null,
  response_status integer,
  error text,
  response_body text,
  primary key (webhook_delivery_id, attempt)
);
