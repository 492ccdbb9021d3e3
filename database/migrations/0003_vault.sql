-- The vault: encrypted values of secrets. The key is not in the database. Auditors see nothing of it.

CREATE SCHEMA vault;
GRANT USAGE ON SCHEMA vault TO runbook_app;

-- One row per secret: what writers of one secret take turns on, and the highest version.
CREATE TABLE vault.secret (
  org text NOT NULL CHECK (org <> ''),
  name text NOT NULL CHECK (name ~ '^[a-z0-9/-]{1,200}$'),
  latest integer NOT NULL DEFAULT 0 CHECK (latest >= 0),
  PRIMARY KEY (org, name)
);
GRANT SELECT, INSERT ON vault.secret TO runbook_app;
GRANT UPDATE (latest) ON vault.secret TO runbook_app;

-- A value never changes after it was stored; only its state does.
CREATE TABLE vault.version (
  org text NOT NULL,
  name text NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  -- Idempotency key of the step that stored it.
  key text NOT NULL CHECK (key <> '' AND octet_length(key) <= 1024),
  fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{16}$'),
  vendor_id text,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'current', 'previous', 'revoked')),
  key_id text NOT NULL,
  nonce bytea NOT NULL CHECK (octet_length(nonce) = 12),
  sealed bytea NOT NULL CHECK (octet_length(sealed) > 16),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (org, name, version),
  UNIQUE (org, name, key),
  FOREIGN KEY (org, name) REFERENCES vault.secret (org, name)
);
CREATE UNIQUE INDEX one_current_version ON vault.version (org, name) WHERE state = 'current';
GRANT SELECT, INSERT ON vault.version TO runbook_app;
GRANT UPDATE (state) ON vault.version TO runbook_app;

-- Second copies, encrypted under a key of their own.
CREATE TABLE vault.backup (
  org text NOT NULL,
  name text NOT NULL,
  version integer NOT NULL,
  key_id text NOT NULL,
  nonce bytea NOT NULL CHECK (octet_length(nonce) = 12),
  sealed bytea NOT NULL CHECK (octet_length(sealed) > 16),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (org, name, version)
);
GRANT SELECT, INSERT ON vault.backup TO runbook_app;
