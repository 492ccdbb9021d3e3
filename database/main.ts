import { databaseUrl, migrate } from './migrate.js';

const VARIABLES = {
  DATABASE_ADMIN_URL: 'a role that owns the database and may create roles; used by migrations only',
  DATABASE_URL: 'the user that the worker and the triggers use (created by this command)',
  AUDIT_DATABASE_URL: 'the user that auditors use (created by this command)',
} as const;

/** `npm run migrate`: exit code 0 when the database is at the newest state, 1 otherwise. */
async function main(env: NodeJS.ProcessEnv): Promise<void> {
  const missing = Object.entries(VARIABLES).filter(([name]) => (env[name] ?? '') === '');
  if (missing.length > 0) {
    throw new Error(
      missing.map(([name, purpose]) => `${name} is not set: the URL with ${purpose}.`).join('\n') +
        '\nA URL looks like postgres://USER:PASSWORD@HOST:5432/DATABASE.',
    );
  }
  const admin = env['DATABASE_ADMIN_URL'] ?? '';
  const app = databaseUrl(env['DATABASE_URL'] ?? '', 'DATABASE_URL');
  const audit = databaseUrl(env['AUDIT_DATABASE_URL'] ?? '', 'AUDIT_DATABASE_URL');
  const { executed } = await migrate(admin, {
    appUser: decodeURIComponent(app.username),
    appPassword: password(app),
    auditUser: decodeURIComponent(audit.username),
    auditPassword: password(audit),
  });
  console.log(
    executed.length === 0 ? 'The database is at the newest state.' : `Migrated: ${executed.join(', ')}.`,
  );
}

function password(url: URL): string | undefined {
  return url.password === '' ? undefined : decodeURIComponent(url.password);
}

try {
  await main(process.env);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
