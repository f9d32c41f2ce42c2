-- Who did what: a row for each change that somebody asked for, written in the transaction of the change, and for each attempt that was
-- refused. Rows are only ever added: see append_only below, and hand-over.ts for whom these tables belong to.
create table audit_records (
  seq bigint generated always as identity primary key,
  at timestamptz not null,
  operation text not null,
  outcome text not null check (outcome in ('done', 'refused')),
  -- What was answered over HTTP; null for commands.
  status smallint,
  -- Of the problem that a refused attempt was answered with.
  code text,
  resource_type text,
  resource_id text,
  issuer text not null,
  subject text not null,
  client_id text not null,
  user_id text,
  -- Who acts for the subject, where its token says so (RFC 8693).
  act text,
  ip text,
  request_id text,
  trace_id text,
  -- JSON: of a change the members that differ, of what was created or deleted all of them.
  before text,
  after text
);
create index audit_records_by_resource on audit_records (resource_id, seq) where resource_id is not null;
create index audit_records_by_subject on audit_records (subject, seq);
create index audit_records_at on audit_records using brin (at);

-- Records that are not in the chain yet. Taken by existence: a cursor over seq would pass those that commit late.
create table audit_unsealed (
  seq bigint primary key
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- The chain: each hash is of the one before it and of the record at its position. See audit-chain.ts.
create table audit_seals (
  position bigint primary key,
  seq bigint not null unique,
  hash bytea not null
);

-- Signed statements of where the chain stood, and of where what is left of it begins since older records were deleted.
create table audit_checkpoints (
  checkpoint_id bigint generated always as identity primary key,
  kind text not null check (kind in ('sealed', 'origin')),
  position bigint not null,
  statement text not null,
  signature text not null
);
create index audit_checkpoints_origin on audit_checkpoints (checkpoint_id) where kind = 'origin';

-- Deleting what is past its retention is a command of its administrator, who says so; nothing changes a record.
create function append_only() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and coalesce(current_setting('audit.retention', true), '') = 'on' then
    return null;
  end if;
  raise exception '% is append-only: % is refused', tg_table_name, lower(tg_op) using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete or truncate on audit_records for each statement execute function append_only();
create trigger append_only before update or delete or truncate on audit_seals for each statement execute function append_only();
create trigger append_only before update or delete or truncate on audit_checkpoints for each statement execute function append_only();
