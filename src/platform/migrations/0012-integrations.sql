-- How each process of the service sees what is outside of it, written every few seconds. It is worth nothing after a crash of the server,
-- so it need not survive one.
create unlogged table integration_views (
  process text primary key,
  parts text[] not null,
  views jsonb not null,
  seen_at timestamptz not null default now()
);
