-- The API keys of partners. What is kept of a secret is its SHA-256 alone: it has 160 bits of chance, so nobody finds it from that.

create table api_keys (
  api_key_id uuid primary key,
  name text not null,
  scopes text[] not null,
  -- CIDR; empty: good from anywhere.
  networks text[] not null,
  expires_at timestamptz,
  -- Written at most once a minute, and not while the row is being changed.
  last_used_at timestamptz,
  created_by text not null,
  version integer not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null
);

create table api_key_secrets (
  secret_id uuid primary key,
  api_key_id uuid not null references api_keys on delete cascade,
  digest bytea not null check (octet_length(digest) = 32),
  created_at timestamptz not null,
  ends_at timestamptz
);
create index api_key_secrets_api_key_id on api_key_secrets (api_key_id, secret_id);
