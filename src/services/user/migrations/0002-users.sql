create table users (
  user_id text primary key,
  name text not null,
  email text,
  roles text[] not null,
  status text not null default 'active' check (status in ('active', 'suspended')),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- Somebody to be in development. A real User Service has registration here, and no seeds.
insert into users (user_id, name, email, roles) values
  ('u-1', 'Ada Kovacs', 'ada@example.com', '{customer}'),
  ('u-2', 'Ben Okafor', 'ben@example.com', '{merchandiser}'),
  ('u-3', 'Chloé Martin', 'chloe@example.com', '{merchandiser,operator}');

-- The development issuer's keys, shared by the processes of the service and kept over restarts.
create table issuer_keys (
  key_id text primary key,
  private_jwk jsonb not null,
  created_at timestamptz not null default now()
);
