-- The broker inside PostgreSQL. Run as one transaction by postgres.ts when the installed schema is older than this file.
--
-- An outsider needs no library, only three functions:
--   SELECT broker.publish('order.events', 'o-1', '{"eventType":"OrderCreated", …}');
--   SELECT * FROM broker.fetch('crm', 'product.events', 100);
--   SELECT broker.acknowledge('crm', 'product.events', 117);
-- and a role of its own, which may use them on the topics that it was permitted, and on consumer groups that begin with its name:
--   GRANT broker_client TO crm;
--   INSERT INTO broker.permissions VALUES ('crm', 'publish', 'order.events'), ('crm', 'fetch', 'product.events');
-- A service that uses the driver under a role of its own needs USAGE on the schema, EXECUTE on its functions and
-- SELECT, INSERT, UPDATE, DELETE on its tables.

SELECT pg_advisory_xact_lock(hashtextextended('broker schema', 0));

CREATE SCHEMA IF NOT EXISTS broker;

-- head is the position of the topic's newest message. Its row lock makes positions gapless and equal to commit order.
CREATE TABLE IF NOT EXISTS broker.topics (
  topic text PRIMARY KEY CHECK (topic ~ '^[A-Za-z0-9._-]{1,200}$'),
  head  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE IF NOT EXISTS broker.messages (
  topic        text        NOT NULL,
  position     bigint      NOT NULL,
  key          text        NOT NULL CHECK (octet_length(key) <= 512),
  message_id   text        NOT NULL CHECK (octet_length(message_id) <= 255),
  routing_key  text        NOT NULL CHECK (octet_length(routing_key) <= 255),
  headers      jsonb       NOT NULL CHECK (jsonb_typeof(headers) = 'object' AND pg_column_size(headers) <= 262144),
  body         bytea       NOT NULL CHECK (octet_length(body) <= 1048576),
  published_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, position)
);

-- Everything up to and including position is done with. A group that is gone for good holds back retention: delete its rows.
CREATE TABLE IF NOT EXISTS broker.cursors (
  consumer_group text        NOT NULL,
  topic          text        NOT NULL,
  position       bigint      NOT NULL DEFAULT 0,
  moved_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer_group, topic)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What a consumer could not even decode, whole, so that retention cannot take it away.
CREATE TABLE IF NOT EXISTS broker.dead_letters (
  consumer_group   text        NOT NULL,
  topic            text        NOT NULL,
  position         bigint      NOT NULL,
  key              text        NOT NULL,
  message_id       text        NOT NULL,
  routing_key      text        NOT NULL,
  headers          jsonb       NOT NULL,
  body             bytea       NOT NULL,
  published_at     timestamptz NOT NULL,
  dead_lettered_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer_group, topic, position)
);

-- What outsiders may do, by the name of the role that they log in as. Whoever may act for the owner of this schema may do anything.
CREATE TABLE IF NOT EXISTS broker.permissions (
  client  text NOT NULL,
  may     text NOT NULL CHECK (may IN ('publish', 'fetch')),
  topic   text NOT NULL,
  PRIMARY KEY (client, may, topic)
);

-- Only in functions that run as the owner: current_user is the owner there, and session_user whoever logged in.
CREATE OR REPLACE FUNCTION broker.check_permission(wants text, topic text, consumer_group text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
  IF pg_has_role(session_user, current_user, 'MEMBER') THEN RETURN; END IF;
  IF NOT EXISTS (
    SELECT FROM broker.permissions p WHERE p.client = session_user AND p.may = wants AND p.topic = check_permission.topic
  ) THEN
    RAISE EXCEPTION '% may not % %', session_user, wants, topic USING ERRCODE = 'insufficient_privilege',
      HINT = format('INSERT INTO broker.permissions VALUES (%L, %L, %L)', session_user, wants, topic);
  END IF;
  IF consumer_group IS NOT NULL AND consumer_group <> session_user AND NOT starts_with(consumer_group, session_user || '.') THEN
    RAISE EXCEPTION 'the consumer group % is not of %', consumer_group, session_user USING ERRCODE = 'insufficient_privilege',
      HINT = format('its groups are %s and those that begin with %s.', session_user, session_user);
  END IF;
END $$;

-- Appends many messages in the order given. Topics are locked in one fixed order, so two publishers wait rather than deadlock.
CREATE OR REPLACE FUNCTION broker.publish_all(
  topics text[], keys text[], message_ids text[], routing_keys text[], headers text[], bodies bytea[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO broker.topics (topic) SELECT DISTINCT t FROM unnest(topics) t ORDER BY t ON CONFLICT DO NOTHING;
  PERFORM FROM broker.topics t WHERE t.topic = ANY (topics) ORDER BY t.topic FOR UPDATE;
  INSERT INTO broker.messages (topic, position, key, message_id, routing_key, headers, body)
    SELECT m.topic, t.head + row_number() OVER (PARTITION BY m.topic ORDER BY m.n), m.key, m.message_id, m.routing_key, m.headers::jsonb, m.body
    FROM unnest(topics, keys, message_ids, routing_keys, headers, bodies)
      WITH ORDINALITY AS m (topic, key, message_id, routing_key, headers, body, n)
    JOIN broker.topics t USING (topic);
  UPDATE broker.topics t SET head = t.head + added.n
    FROM (SELECT a.topic, count(*) AS n FROM unnest(topics) AS a (topic) GROUP BY a.topic) added
    WHERE t.topic = added.topic;
END $$;

-- The door for outsiders: appends one message and returns its position. Consumers see it when the caller's transaction commits,
-- within a second. Other publishers of the topic wait until then: publish last, and commit at once.
CREATE OR REPLACE FUNCTION broker.publish(
  topic text, key text, body bytea, headers jsonb DEFAULT '{}', routing_key text DEFAULT '', message_id text DEFAULT gen_random_uuid()::text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE place bigint;
BEGIN
  PERFORM broker.check_permission('publish', publish.topic);
  INSERT INTO broker.topics AS t (topic, head) VALUES (publish.topic, 1)
    ON CONFLICT ON CONSTRAINT topics_pkey DO UPDATE SET head = t.head + 1 RETURNING t.head INTO place;
  INSERT INTO broker.messages (topic, position, key, message_id, routing_key, headers, body)
    VALUES (publish.topic, place, publish.key, publish.message_id, publish.routing_key, publish.headers, publish.body);
  RETURN place;
END $$;

-- The same for text, such as JSON: written as bytea, a backslash in it would be read as an escape.
CREATE OR REPLACE FUNCTION broker.publish(
  topic text, key text, body text, headers jsonb DEFAULT '{}', routing_key text DEFAULT '', message_id text DEFAULT gen_random_uuid()::text
) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT broker.publish($1, $2, convert_to($3, 'UTF8'), $4, $5, $6)
$$;

-- What the group has not acknowledged, oldest first, a thousand at most. In a transaction it keeps other workers of the group waiting until the end.
CREATE OR REPLACE FUNCTION broker.fetch(consumer_group text, topic text, at_most integer DEFAULT 100)
RETURNS SETOF broker.messages LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE done bigint;
BEGIN
  PERFORM broker.check_permission('fetch', $2, $1);
  INSERT INTO broker.cursors (consumer_group, topic) VALUES ($1, $2) ON CONFLICT DO NOTHING;
  SELECT c.position INTO done FROM broker.cursors c WHERE c.consumer_group = $1 AND c.topic = $2 FOR UPDATE;
  RETURN QUERY SELECT * FROM broker.messages m WHERE m.topic = $2 AND m.position > done ORDER BY m.position LIMIT least($3, 1000);
END $$;

-- Done with everything up to and including this position.
CREATE OR REPLACE FUNCTION broker.acknowledge(consumer_group text, topic text, up_to bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM broker.check_permission('fetch', $2, $1);
  UPDATE broker.cursors c SET position = least($3, t.head), moved_at = now() FROM broker.topics t
  WHERE c.consumer_group = $1 AND c.topic = $2 AND t.topic = $2 AND c.position < $3;
END $$;

-- Deletes, per topic, up to at_most of the oldest messages that are older than this age and behind every cursor.
CREATE OR REPLACE FUNCTION broker.prune(older_than interval, at_most integer DEFAULT 5000)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE deleted bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('broker prune', 0)) THEN RETURN 0; END IF;
  DELETE FROM broker.messages m WHERE m.ctid = ANY (ARRAY(
    SELECT oldest.ctid FROM broker.topics t, LATERAL (
      SELECT o.ctid, o.published_at FROM broker.messages o
      WHERE o.topic = t.topic
        AND o.position <= coalesce((SELECT min(c.position) FROM broker.cursors c WHERE c.topic = t.topic), t.head)
      ORDER BY o.position LIMIT at_most
    ) oldest
    WHERE oldest.published_at < now() - older_than
  ));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  RETURN deleted;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA broker FROM PUBLIC;

-- Roles belong to the whole server: another database may have made it already, or be making it now. Where it may not be made, functions
-- can be granted one by one, to the same effect.
DO $$
BEGIN
  BEGIN
    IF to_regrole('broker_client') IS NULL THEN CREATE ROLE broker_client NOLOGIN; END IF;
  EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
  END;
  IF to_regrole('broker_client') IS NULL THEN RETURN; END IF;
  GRANT USAGE ON SCHEMA broker TO broker_client;
  GRANT EXECUTE ON FUNCTION broker.publish(text, text, text, jsonb, text, text), broker.publish(text, text, bytea, jsonb, text, text),
    broker.fetch, broker.acknowledge TO broker_client;
END $$;
