import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Ledger } from '../activities/ledger/contract.js';
import { postgresLedger } from '../activities/ledger/postgres.js';
import { applicationFile, type ApplicationConfig } from '../config/application.js';
import type { Environment } from '../config/environment.js';
import { openConfiguration, type Configuration } from '../config/index.js';
import type { ConfigFile } from '../config/load.js';
import { assertAppRole } from '../database/app-role.js';
import { createPool } from '../database/pool.js';
import { catalogueOf, type Catalogue } from '../triggers/catalogue.js';
import { databaseDirectory, type Directory } from '../triggers/people.js';
import * as workflows from '../workflows/index.js';

/** What every process of an installation works with: database, record, configuration, people, runbooks. */
export interface Installation {
  readonly environment: Environment;
  readonly pool: Pool;
  readonly ledger: Ledger;
  readonly configuration: Configuration;
  readonly application: ConfigFile<ApplicationConfig>;
  readonly directory: Directory;
  readonly catalogue: Catalogue;
  close(): Promise<void>;
}

export const catalogue: Catalogue = catalogueOf(workflows);

/**
 * Opens an installation as the application role.
 * @throws ConfigError when a configuration file is wrong; Error when the database is away, not migrated, or the role
 * may do more than it should
 */
export async function openInstallation(environment: Environment, name: string): Promise<Installation> {
  const pool = createPool(environment.databaseUrl, `runbook-${name}`, { max: 20 });
  try {
    await assertAppRole(pool);
    const configuration = openConfiguration(environment.configDirectory);
    const { access, secrets } = configuration;
    const application = applicationFile(join(environment.configDirectory, 'application.yaml'));
    // A wrong file is said now and not by the first run that needs it.
    access.get();
    secrets.get();
    application.get();
    return {
      environment,
      pool,
      ledger: postgresLedger(pool),
      configuration,
      application,
      directory: databaseDirectory({ pool, access, org: environment.org }),
      catalogue,
      close: () => pool.end(),
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}
