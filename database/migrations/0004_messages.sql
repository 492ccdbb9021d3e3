-- More that a person can say to a run. Executed as runbook_owner.

ALTER TABLE engine.inbox DROP CONSTRAINT inbox_kind_check;
ALTER TABLE engine.inbox ADD CONSTRAINT inbox_kind_check
  CHECK (kind IN ('start', 'decide', 'operate', 'note', 'cancel', 'evidence', 'hand-over', 'severity'));
