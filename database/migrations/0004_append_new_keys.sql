-- ledger.append as in 0001, but entries whose keys are all new are not read back: the look for an earlier entry under
-- the same key was two thirds of the database's own work for an append, without the wait for the disk.
CREATE OR REPLACE FUNCTION ledger.append(event_keys text[], leaves bytea[]) RETURNS bigint[]
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
