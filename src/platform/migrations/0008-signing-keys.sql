-- The keys that sign this service's events. What a key is follows from these times and the clock of the database alone: nothing has to
-- run at the moment at which one key hands over to the next, so no crash and no second process can come in between.
create table signing_keys (
  -- RFC 7638: the SHA-256 of the public key as a JWK.
  kid text primary key,
  -- `x` of the JWK.
  public_key text not null,
  -- PKCS #8, sealed unless the service has no SIGNING_KEY_SECRET. Null once it signs no more.
  private_key bytea,
  sealed boolean not null,
  created_at timestamptz not null default now(),
  active_from timestamptz not null,
  revoked_at timestamptz
);

-- A key retires when a later one becomes active. One that was revoked before it became active never did.
create view signing_key_states as
select kid, public_key, private_key, sealed, created_at, active_from, retired_at, revoked_at,
  case
    when revoked_at is not null then 'revoked'
    when active_from > statement_timestamp() then 'next'
    when retired_at <= statement_timestamp() then 'retired'
    else 'active'
  end as state
from (
  select *, (
    select min(later.active_from) from signing_keys later
    where (later.active_from, later.kid) > (each.active_from, each.kid)
      and (later.revoked_at is null or later.revoked_at > later.active_from)
  ) as retired_at
  from signing_keys each
) dated;

-- The last good key set of each source of events, for when the one who publishes it is away and this service is started again.
create table trusted_key_sets (
  source text primary key,
  -- Where it was configured to be; empty where that followed from the address of the service.
  configured text not null,
  key_set jsonb not null,
  fetched_at timestamptz not null
);

-- Unclaimed: its signature was never verified, so it holds no place in the inbox under the id that it claims to have.
alter table parked_messages
  add column claimed boolean not null default true,
  add column awaits_key_since timestamptz;
