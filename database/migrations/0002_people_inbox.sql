-- People, the inbox and workflow bundles. Executed as runbook_owner.

CREATE SCHEMA engine;
GRANT USAGE ON SCHEMA engine TO runbook_app, runbook_audit;

-- Who the opaque ids are. Erasable: everything else knows people by id only.
CREATE TABLE engine.people (
  id text PRIMARY KEY CHECK (id ~ '^p_[0-9A-HJKMNP-TV-Z]{26}$'),
  org text NOT NULL CHECK (org <> ''),
  email text NOT NULL CHECK (email <> ''),
  name text NOT NULL CHECK (name <> ''),
  slack_ids text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX people_by_email ON engine.people (org, lower(email));
CREATE INDEX people_by_slack_id ON engine.people USING gin (slack_ids);
GRANT SELECT, INSERT, UPDATE ON engine.people TO runbook_app;
GRANT SELECT ON engine.people TO runbook_audit;

-- What people ask of runs. A row is durable before anybody is told "received"; a signal carries its id and nothing else.
CREATE TABLE engine.inbox (
  id text PRIMARY KEY COLLATE "C" CHECK (id ~ '^[0-9A-HJKMNP-TV-Z]{26}$'),
  org text NOT NULL CHECK (org <> ''),
  mode text NOT NULL CHECK (mode IN ('live', 'rehearsal')),
  run text NOT NULL CHECK (run <> ''),
  runbook text NOT NULL CHECK (runbook <> ''),
  kind text NOT NULL CHECK (kind IN ('start', 'decide', 'operate', 'note', 'cancel')),
  target text,
  person text,
  assurance text NOT NULL CHECK (assurance IN ('claimed', 'slack', 'token', 'step-up')),
  channel text NOT NULL CHECK (channel <> ''),
  -- Verdict, choice, reason, evidence, input, result, planDigest: the texts that may be erased.
  body jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object'),
  -- What the ledger entry says instead of the texts. Kept, so that the entry can be written again after a crash.
  reason_commitment text,
  evidence_commitment text,
  dedupe_key text,
  received_at timestamptz NOT NULL,
  -- The run's own clock when it was received.
  virtual_at timestamptz NOT NULL,
  -- When its ledger entry was durable: nothing is relayed before.
  recorded_at timestamptz,
  relayed_at timestamptz,
  relay_attempts integer NOT NULL DEFAULT 0,
  next_relay_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  outcome jsonb CHECK (jsonb_typeof(outcome) = 'object'),
  outcome_at timestamptz CHECK ((outcome_at IS NULL) = (outcome IS NULL)),
  UNIQUE (org, dedupe_key)
);
CREATE INDEX inbox_by_run ON engine.inbox (org, run, id);
CREATE INDEX inbox_unfinished ON engine.inbox (next_relay_at)
  WHERE recorded_at IS NULL OR (kind <> 'start' AND relayed_at IS NULL AND outcome_at IS NULL);
GRANT SELECT, INSERT ON engine.inbox TO runbook_app;
-- What somebody said is not for the processes to change; only what became of it.
GRANT UPDATE (recorded_at, relayed_at, relay_attempts, next_relay_at, outcome, outcome_at) ON engine.inbox TO runbook_app;
GRANT SELECT ON engine.inbox TO runbook_audit;

-- Workflow bundles by build id: a run goes on with the code it started on, and is replayed with it years later.
CREATE TABLE engine.bundle (
  build_id text PRIMARY KEY CHECK (build_id <> ''),
  -- gzip
  code bytea NOT NULL CHECK (octet_length(code) > 0),
  file_hash text NOT NULL CHECK (file_hash ~ '^[0-9a-f]{64}$'),
  code_hash text NOT NULL CHECK (code_hash ~ '^[0-9a-f]{64}$'),
  sdk_version text NOT NULL CHECK (sdk_version <> ''),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT ON engine.bundle TO runbook_app;
GRANT SELECT ON engine.bundle TO runbook_audit;
