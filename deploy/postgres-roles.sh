#!/bin/bash
# Executed once by the postgres image, when its volume is empty. Temporal makes its own databases;
# the runbooks' administrator owns `runbook` and may create roles, nothing more.
set -euo pipefail

psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 \
  --set temporal_password="$TEMPORAL_DATABASE_PASSWORD" \
  --set admin_password="$RUNBOOK_ADMIN_PASSWORD" <<'SQL'
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal_password';
CREATE ROLE runbook_admin LOGIN CREATEROLE PASSWORD :'admin_password';
CREATE DATABASE runbook OWNER runbook_admin;
SQL
