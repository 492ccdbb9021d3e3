#!/bin/sh
# Registers the two namespaces where they are missing. An existing one keeps its settings.
set -eu

for namespace in "$LIVE_NAMESPACE" rehearsal; do
  if temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1; then
    echo "Temporal: namespace $namespace exists"
  else
    echo "Temporal: creating namespace $namespace"
    temporal operator namespace create --namespace "$namespace" --retention "$RETENTION"
  fi
done
