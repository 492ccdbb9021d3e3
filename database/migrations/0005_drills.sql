-- Reports of rehearsals, so that it can be shown that a procedure was practised. Executed as runbook_owner.

CREATE TABLE engine.drill (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  org text NOT NULL CHECK (org <> ''),
  -- The rehearsed run, in the record under the same id.
  run text NOT NULL CHECK (run <> ''),
  runbook text NOT NULL CHECK (runbook <> ''),
  rehearsal text NOT NULL CHECK (rehearsal <> ''),
  outcome text NOT NULL CHECK (outcome <> ''),
  report jsonb NOT NULL CHECK (jsonb_typeof(report) = 'object'),
  markdown text NOT NULL CHECK (markdown <> ''),
  ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (org, run)
);
CREATE INDEX drill_by_runbook ON engine.drill (org, runbook, id);
GRANT SELECT, INSERT ON engine.drill TO runbook_app;
GRANT SELECT ON engine.drill TO runbook_audit;
