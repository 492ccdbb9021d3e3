#!/bin/sh
# Creates Temporal's databases and brings their schemas to the version of this image. May be executed at any time.
# https://docs.temporal.io/self-hosted-guide/upgrade-server#upgrade-database-schema
set -eu

schema=/etc/temporal/schema/postgresql/v12
for part in temporal visibility; do
  database=temporal
  [ "$part" = visibility ] && database=temporal_visibility
  echo "Temporal: database $database"
  temporal-sql-tool --db "$database" create
  temporal-sql-tool --db "$database" setup-schema -v 0.0
  temporal-sql-tool --db "$database" update-schema -d "$schema/$part/versioned"
done
