-- Processes that consume. Each holds a lock in its row's name while it lives: a row that is still here and whose lock is free tells of a death.
create table consumer_processes (
  process_id uuid primary key,
  started_at timestamptz not null default now(),
  died_at timestamptz
);

-- For a while after a death: messages whose handling was begun and has not come back, and how often it was.
create table begun_messages (
  consumer text not null,
  source text not null,
  event_id text not null,
  times integer not null default 1,
  begun_at timestamptz not null default now(),
  primary key (consumer, source, event_id)
);

alter table dead_letters
  add column message_id text not null default '',
  add column routing_key text not null default '',
  -- Where it stood in what the broker delivered, for people: product.events@17.
  add column position text,
  -- How often a replay was begun that has not come back.
  add column begun integer not null default 0;

create index dead_letters_open_by_consumer on dead_letters (consumer, event_type, reason, dead_letter_id) where status = 'open';
create index dead_letters_by_key on dead_letters (key, dead_letter_id);
create index dead_letters_resolved on dead_letters (updated_at) where status <> 'open';
