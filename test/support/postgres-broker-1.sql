-- The broker inside PostgreSQL. Run as one transaction by postgres.ts when the installed schema is older than this file.
--
-- An outsider needs no library, only three functions:
--   SELECT broker.publish('order.events', 'o-1', '{"eventType":"OrderCreated", …}');
--   SELECT * FROM broker.fetch('crm', 'product.events', 100);
--   SELECT broker.acknowledge('crm', 'product.events', 117);
-- and these grants, function by function:
--   GRANT USAGE ON SCHEMA broker TO crm;
--   GRANT EXECUTE ON FUNCTION broker.publish(text, text, text, jsonb, text, text), broker.fetch, broker.acknowledge TO crm;
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

-- What the group has not acknowledged, oldest first. In a transaction it keeps other workers of the group waiting until the end.
CREATE OR REPLACE FUNCTION broker.fetch(consumer_group text, topic text, at_most integer DEFAULT 100)
RETURNS SETOF broker.messages LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE done bigint;
BEGIN
  INSERT INTO broker.cursors (consumer_group, topic) VALUES ($1, $2) ON CONFLICT DO NOTHING;
  SELECT c.position INTO done FROM broker.cursors c WHERE c.consumer_group = $1 AND c.topic = $2 FOR UPDATE;
  RETURN QUERY SELECT * FROM broker.messages m WHERE m.topic = $2 AND m.position > done ORDER BY m.position LIMIT $3;
END $$;

-- Done with everything up to and including this position.
CREATE OR REPLACE FUNCTION broker.acknowledge(consumer_group text, topic text, up_to bigint)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  UPDATE broker.cursors c SET position = least($3, t.head), moved_at = now() FROM broker.topics t
  WHERE c.consumer_group = $1 AND c.topic = $2 AND t.topic = $2 AND c.position < $3
$$;

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
