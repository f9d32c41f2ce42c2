-- What the User Service says of the users in whose names requests come: its answers and its UserUpdated, whichever is newer. Ids, roles
-- and status, and nothing more about anybody.
create table known_users (
  user_id text primary key,
  -- Null where an event told of a change without saying what it is: the User Service is to be asked.
  roles text[],
  -- `unknown` where the User Service knows nobody of that id.
  status text,
  -- The user's version, as answers and events count it; 0 where nobody said one.
  sequence bigint not null,
  told_at timestamptz not null
);
create index known_users_told_at on known_users (told_at);
