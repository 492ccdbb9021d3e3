-- The record. Executed as runbook_owner; runbook_app and runbook_audit exist (database/roles.ts).

-- A function is for everybody unless it is taken away; here nothing is for everybody.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE SCHEMA ledger;
GRANT USAGE ON SCHEMA ledger TO runbook_app, runbook_audit;

-- One row is one entry for ever. `leaf` holds the exact RFC 8785 bytes; the other columns are derived from it by
-- ledger.append and only serve to find it. Order is not kept here: an id may commit after a higher one.
CREATE TABLE ledger.leaf (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  org text NOT NULL CHECK (org <> ''),
  run text NOT NULL CHECK (run <> ''),
  kind text NOT NULL CHECK (kind <> ''),
  event_key text NOT NULL CHECK (event_key <> '' AND octet_length(event_key) <= 1024),
  -- C2SP tlog-tiles: entry bundles carry the length of an entry in 16 bits.
  leaf bytea NOT NULL CHECK (octet_length(leaf) BETWEEN 2 AND 65535),
  leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
  appended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (org, event_key)
);
CREATE INDEX leaf_by_run ON ledger.leaf (org, run, id);
GRANT SELECT ON ledger.leaf TO runbook_audit;

-- What a commitment in a leaf stands for. Rows of this table may be erased; the leaf stays valid without them.
CREATE TABLE ledger.disclosure (
  org text NOT NULL CHECK (org <> ''),
  commitment bytea NOT NULL CHECK (octet_length(commitment) = 32),
  salt bytea NOT NULL CHECK (octet_length(salt) = 32),
  content bytea NOT NULL CHECK (octet_length(content) <= 1048576),
  -- The person whom the content is about: what an erasure request looks for.
  subject text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (org, commitment)
);
CREATE INDEX disclosure_by_subject ON ledger.disclosure (org, subject) WHERE subject IS NOT NULL;
GRANT SELECT ON ledger.disclosure TO runbook_audit;

-- Appends entries, all or none, and returns their ids in the order given. The same key again is the same entry, however
-- often it is appended, and the bytes that came first stay: a repetition may differ in `at`, the wall time at which it
-- was made, and in nothing else (RB001). Bytes that are no JSON object
-- with text fields org, run and kind are refused (RB002, or a data exception of class 22 when they are no JSON at all).
CREATE FUNCTION ledger.append(event_keys text[], leaves bytea[]) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  orgs text[];
  runs text[];
  kinds text[];
  ids bigint[];
  reused text;
BEGIN
  IF cardinality(event_keys) IS DISTINCT FROM cardinality(leaves) THEN
    RAISE EXCEPTION 'ledger.append: % keys for % leaves', cardinality(event_keys), cardinality(leaves)
      USING ERRCODE = 'RB002';
  END IF;

  SELECT
    coalesce(array_agg(CASE json_typeof(g.fields -> 'org') WHEN 'string' THEN g.fields ->> 'org' END ORDER BY g.n), '{}'),
    coalesce(array_agg(CASE json_typeof(g.fields -> 'run') WHEN 'string' THEN g.fields ->> 'run' END ORDER BY g.n), '{}'),
    coalesce(array_agg(CASE json_typeof(g.fields -> 'kind') WHEN 'string' THEN g.fields ->> 'kind' END ORDER BY g.n), '{}')
  INTO orgs, runs, kinds
  FROM (
    SELECT convert_from(u.leaf, 'UTF8')::json AS fields, u.n FROM unnest(leaves) WITH ORDINALITY AS u (leaf, n)
  ) AS g;
  IF array_position(orgs || runs || kinds, NULL) IS NOT NULL THEN
    RAISE EXCEPTION 'ledger.append: a leaf is no JSON object with text fields org, run and kind'
      USING ERRCODE = 'RB002';
  END IF;

  WITH inserted AS (
    INSERT INTO ledger.leaf (org, run, kind, event_key, leaf, leaf_hash)
    SELECT g.org, g.run, g.kind, g.key, g.leaf, sha256('\x00'::bytea || g.leaf)
    FROM unnest(orgs, runs, kinds, event_keys, leaves) WITH ORDINALITY AS g (org, run, kind, key, leaf, n)
    ORDER BY g.n
    ON CONFLICT (org, event_key) DO NOTHING
    RETURNING id
  )
  SELECT array_agg(i.id ORDER BY i.id) INTO ids FROM inserted AS i;
  -- Every key was new: there is nothing stored before to compare with. Ids were given in the order of the leaves.
  IF cardinality(ids) = cardinality(event_keys) THEN
    RETURN ids;
  END IF;

  -- A new statement has a new snapshot, so a row that another session committed meanwhile is seen here.
  SELECT
    array_agg(stored.id ORDER BY g.n),
    min(g.key) FILTER (WHERE CASE WHEN stored.leaf = g.leaf THEN false
      ELSE convert_from(stored.leaf, 'UTF8')::jsonb - 'at' IS DISTINCT FROM convert_from(g.leaf, 'UTF8')::jsonb - 'at'
    END)
  INTO ids, reused
  FROM unnest(orgs, event_keys, leaves) WITH ORDINALITY AS g (org, key, leaf, n)
  LEFT JOIN ledger.leaf AS stored ON stored.org = g.org AND stored.event_key = g.key;
  IF reused IS NOT NULL THEN
    RAISE EXCEPTION 'ledger.append: event key "%" is already taken by an entry that says something else', reused
      USING ERRCODE = 'RB001';
  END IF;
  RETURN coalesce(ids, '{}');
END
$$;
GRANT EXECUTE ON FUNCTION ledger.append(text[], bytea[]) TO runbook_app;

-- The entries of one run, oldest first.
CREATE FUNCTION ledger.read(of_org text, of_run text, after_id bigint, max_entries integer)
RETURNS TABLE (id bigint, event_key text, leaf bytea, leaf_hash bytea, appended_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT l.id, l.event_key, l.leaf, l.leaf_hash, l.appended_at
  FROM ledger.leaf AS l
  WHERE l.org = of_org AND l.run = of_run AND l.id > after_id
  ORDER BY l.id
  LIMIT max_entries
$$;
GRANT EXECUTE ON FUNCTION ledger.read(text, text, bigint, integer) TO runbook_app, runbook_audit;

-- Stores what a commitment stands for. The same commitment again changes nothing.
CREATE FUNCTION ledger.disclose(of_org text, of_commitment bytea, with_salt bytea, with_content bytea, about text)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO ledger.disclosure (org, commitment, salt, content, subject)
  VALUES (of_org, of_commitment, with_salt, with_content, about)
  ON CONFLICT (org, commitment) DO NOTHING
$$;
GRANT EXECUTE ON FUNCTION ledger.disclose(text, bytea, bytea, bytea, text) TO runbook_app;

-- What a commitment stands for, as long as it is not erased.
CREATE FUNCTION ledger.disclosed(of_org text, of_commitment bytea) RETURNS TABLE (salt bytea, content bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT d.salt, d.content FROM ledger.disclosure AS d WHERE d.org = of_org AND d.commitment = of_commitment
$$;
GRANT EXECUTE ON FUNCTION ledger.disclosed(text, bytea) TO runbook_app, runbook_audit;
