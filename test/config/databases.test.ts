import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { databasesFile } from '../../config/databases.js';
import { EnvironmentError, readEnvironment } from '../../config/environment.js';

function parsed(text: string) {
  const folder = mkdtempSync(join(tmpdir(), 'runbook-databases-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'databases.yaml'), text);
  return databasesFile(join(folder, 'databases.yaml')).get();
}

const entry = (change: string): string =>
  `databases:
  app:
    title: Application
    url: { secret: postgres/app-url }
    backups: { bucket: example-backups, prefix: database/ }
`.replace(...(change.split(' => ') as [string, string]));

test('the databases of this repository are well-formed', () => {
  const databases = databasesFile(new URL('../../config/databases.yaml', import.meta.url).pathname).get();
  expect([...databases.keys()]).toEqual(['app', 'app-dr']);
  expect(databases.get('app')).toMatchObject({ id: 'app', url: { secret: 'postgres/app-url' } });
});

test.each([
  ['app: => app_1:', 'a name in it that is not valid'],
  ['postgres/app-url => postgres://user:password@host/app', 'A secret is named in lower-case letters'],
  ['example-backups => Example_Backups', 'A bucket is named'],
  ['database/ => /database', 'ends with a slash'],
  ['title: => tittle:', 'correct its spelling'],
])('a wrong entry (%s) is refused with its line and a way out', (change, sentence) => {
  expect(() => parsed(entry(change))).toThrow(sentence);
  expect(() => parsed(entry(change))).toThrow(/databases\.yaml:\d+:\d+/);
});

test.each([
  ['an access key and a region', { AWS_REGION: 'eu-west-1' }, { endpoint: undefined, region: 'eu-west-1' }],
  ['an access key and an address', { S3_ENDPOINT: 'https://s3.example.com' }, { region: undefined }],
  ['an access key alone', {}, undefined],
])('the object store is known by %s', (_about, variables, expected) => {
  const key = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' };
  const { s3 } = readEnvironment({ ...MINIMAL, ...key, ...variables });
  if (expected === undefined) expect(s3).toBeUndefined();
  else
    expect(s3).toMatchObject({ ...expected, credentials: { accessKeyId: 'id', secretAccessKey: 'secret' } });
});

test('the address of an object store without an access key is not enough', () => {
  const read = () => readEnvironment({ ...MINIMAL, S3_ENDPOINT: 'https://s3.example.com' });
  expect(read).toThrow(EnvironmentError);
  expect(read).toThrow('S3_ENDPOINT is set without AWS_ACCESS_KEY_ID');
});

const MINIMAL = { DATABASE_URL: 'postgres://app@127.0.0.1/runbook', TEMPORAL_ADDRESS: '127.0.0.1:7233' };
