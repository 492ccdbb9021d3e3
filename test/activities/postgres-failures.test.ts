import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresSteps } from '../../activities/postgres/steps.js';
import { processId } from '../../local/processes.js';
import { s3Objects, s3Simulator } from '../../simulators/s3.js';
import { stack } from '../helpers/stack.js';
import { assertLeaksNothing, failureOf, runVerb, stepContext, useSimulators } from '../helpers/vendor.js';
import { applicationDatabase, BUCKET, sampleDatabase, type DatabaseOptions } from './postgres-server.js';

const vendor = useSimulators(s3Simulator);
const database = 'app';
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'runbook-postgres-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type App = Awaited<ReturnType<typeof applicationDatabase>>;
const application = (options: DatabaseOptions = {}): Promise<App> =>
  applicationDatabase(vendor.url('s3'), options);
const filled = (options: DatabaseOptions = {}): Promise<App> => sampleDatabase(vendor.url('s3'), options);

/** A program that stands in front of pg_dump, or in its place. */
function program(name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}
const VERSION = 'if [ "$1" = --version ]; then exec pg_dump --version; fi';

const dumps = () => Object.keys(s3Objects(vendor.world, BUCKET)).filter((key) => key.endsWith('.dump'));

describe('what can go wrong around pg_dump', () => {
  const backup = (app: App, step = stepContext()) =>
    runVerb(app.steps.backup, { database, label: 'nightly' }, step);

  test.each([
    ['is missing', () => join(folder, 'no-such-program')],
    ['is older than the server', () => program('old', 'echo "pg_dump (PostgreSQL) 9.6.24"')],
  ])('where pg_dump %s a person gets the exact text of what to do', async (_about, path) => {
    const app = await filled({ programs: { pg_dump: path() } });
    const failure = await failureOf(backup(app));
    expect(failure).toMatchObject({ type: 'NotConfigured', nonRetryable: true });
    const [{ instruction }] = failure.details as [{ instruction: string }];
    expect(instruction).toContain('pg_dump --format=custom');
    expect(instruction).toContain(`${BUCKET}/database/`);
  });

  test('where pg_restore is missing a person gets the exact text of what to do', async () => {
    const app = await filled({ programs: { pg_restore: join(folder, 'no-such-program') } });
    const { backup: name } = await backup(app);
    const failure = await failureOf(
      runVerb(app.steps.restoreInto, { database, backup: name, scratch: 'drill' }),
    );
    expect(failure).toMatchObject({ type: 'NotConfigured', nonRetryable: true });
    expect((failure.details as [{ instruction: string }])[0].instruction).toContain(`${app.name}__drill`);
  });

  test('the password is in no argument, and the error of a failed dump holds neither it nor data', async () => {
    const said =
      'pg_dump: error: could not read orders with $PGPASSWORD\\npg_dump: detail: Key (email)=(person1)';
    const recorder = program(
      'recorder',
      `${VERSION}\nprintf '%s\\n' "$@" > '${folder}/arguments'\nprintf "${said}" >&2\nexit 1`,
    );
    const app = await filled({ programs: { pg_dump: recorder } });
    const password = decodeURIComponent(new URL(app.url).password);
    const failure = await failureOf(backup(app));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('could not read orders with [redacted]');
    expect(failure.message).not.toContain('person1');
    assertLeaksNothing(failure, [password]);
    expect(readFileSync(join(folder, 'arguments'), 'utf8')).toContain('--snapshot=');
    expect(readFileSync(join(folder, 'arguments'), 'utf8')).not.toContain(password);
    expect(dumps()).toEqual([]);
  });

  test('a cancelled backup ends pg_dump with everything it started, and leaves no file', async () => {
    const pids = join(folder, 'pids');
    const sleeper = program(
      'sleeper',
      `${VERSION}\nsleep 600 &\necho $$ $! > '${pids}.new'\nmv '${pids}.new' '${pids}'\nwait`,
    );
    const app = await filled({ programs: { pg_dump: sleeper }, folder });
    const step = stepContext();
    const running = backup(app, step).catch((error: unknown) => error);
    await expect.poll(() => existsSync(pids), { timeout: 20_000 }).toBe(true);
    step.abort();
    expect(await running).toBe(step.signal.reason);
    for (const pid of readFileSync(pids, 'utf8').trim().split(' ')) {
      await expect.poll(() => processId(Number(pid)), { message: `process ${pid} is gone` }).toBeUndefined();
    }
    expect(readdirSync(folder).filter((name) => name.startsWith('runbook-backup-'))).toEqual([]);
    expect(dumps()).toEqual([]);
  });
});

describe('what can go wrong with the connection', () => {
  const changed = (change: (url: URL) => void): string => {
    const url = new URL(stack().adminUrl);
    change(url);
    return url.href;
  };
  const failure = async (url: string) => {
    const app = await application({ url });
    return await failureOf(runVerb(app.steps.fingerprint, { database }));
  };

  test('a refused password is named by its secret, and never shown', async () => {
    const found = await failure(changed((url) => (url.password = 'wrong-password-1234')));
    expect(found).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(found.message).toContain('runbook secret put postgres/app-url');
    assertLeaksNothing(found, ['wrong-password-1234']);
  });

  test('a server that is away is tried again', async () => {
    const found = await failure(changed((url) => (url.port = '1')));
    expect(found).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  });

  test('a value that is no connection string is refused without being shown', async () => {
    const found = await failure('host=db password=wrong-password-1234');
    expect(found).toMatchObject({ type: 'BadSecretValue', nonRetryable: true });
    assertLeaksNothing(found, ['wrong-password-1234']);
  });

  test('a database that nobody has configured is refused with the ones that there are', async () => {
    const { client } = await application();
    const found = await failureOf(
      runVerb(postgresSteps({ postgres: client }).fingerprint, { database: 'other' }),
    );
    expect(found).toMatchObject({ type: 'UnknownDatabase', nonRetryable: true });
    expect(found.message).toContain('It has: app.');
  });

  test('a cancelled step ends its query on the server', async () => {
    const app = await filled();
    await app.sql('alter table orders add constraint slow check (pg_sleep(60)::text is not null) not valid');
    const step = stepContext();
    const running = runVerb(app.steps.checkIntegrity, { database }, step).catch((error: unknown) => error);
    const busy = () =>
      app.sql(
        `select 1 from pg_stat_activity where datname = '${app.name}' and query like '%pg_sleep(%' and pid <> pg_backend_pid()`,
      );
    await expect.poll(busy, { timeout: 10_000 }).toHaveLength(1);
    step.abort();
    expect(await running).toBe(step.signal.reason);
    await expect.poll(busy, { timeout: 10_000 }).toEqual([]);
  });
});
