import { afterAll, beforeAll, expect, test } from 'vitest';
import { databaseDirectory, personByEmail, syncPeople } from '../../triggers/people.js';
import { ACCESS, fixture, type Fixture } from './fixture.js';

let f: Fixture;
beforeAll(async () => {
  f = await fixture();
});
afterAll(() => f.close());

test('a person keeps the same id when name and Slack ids change', async () => {
  await syncPeople(f.people);
  const ada = await f.person('ada@example.com');
  expect(ada).toMatch(/^p_[0-9A-HJKMNP-TV-Z]{26}$/);
  f.writeAccess(
    ACCESS.replace('Ada Lovelace, slack: [U0ADA0001]', 'Ada King, slack: [U0ADA0002, W0ADA0003]'),
  );
  await Promise.all([syncPeople(f.people), syncPeople(f.people)]);
  expect(await personByEmail(f.people, ' ADA@example.com ')).toBe(ada);
  expect(await databaseDirectory(f.people).nameOf(ada)).toBe('Ada King');
  const { rows } = await f.pool.query('SELECT slack_ids FROM engine.people WHERE id = $1', [ada]);
  expect(rows).toEqual([{ slack_ids: ['U0ADA0002', 'W0ADA0003'] }]);
  f.writeAccess(ACCESS);
});

test('groups changed in access.yaml count at the next look-up', async () => {
  const directory = databaseDirectory(f.people);
  const ada = await f.person('ada@example.com');
  expect(await directory.groupsOf(ada)).toEqual(['on-call', 'operators']);
  f.writeAccess(ACCESS.replace('approvers: [', 'approvers: [ada@example.com, '));
  expect(await directory.groupsOf(ada)).toEqual(['approvers', 'on-call', 'operators']);
  f.writeAccess(ACCESS);
});

test('somebody who was listed just now is known just now; somebody who was taken out has no groups but a name', async () => {
  const directory = databaseDirectory(f.people);
  f.writeAccess(ACCESS.replace('groups:', '  - { email: new@example.com, name: New Person }\ngroups:'));
  const id = String(await directory.personByName('new person'));
  expect(await directory.knows(id)).toBe(true);
  f.writeAccess(ACCESS);
  expect(await directory.knows(id)).toBe(false);
  expect(await directory.groupsOf(id)).toEqual([]);
  expect(await directory.nameOf(id)).toBe('New Person');
  expect(await directory.personByName(id)).toBeUndefined();
  expect(await personByEmail(f.people, 'new@example.com')).toBeUndefined();
});

test('a name that two people share names nobody', async () => {
  const directory = databaseDirectory(f.people);
  expect(await directory.personByName('ada')).toBe(await f.person('ada@example.com'));
  f.writeAccess(ACCESS.replace('groups:', '  - { email: ada2@example.com, name: Ada Other }\ngroups:'));
  expect(await directory.personByName('ada')).toBeUndefined();
  expect(await directory.personByName('Ada Lovelace')).toBe(await f.person('ada@example.com'));
  f.writeAccess(ACCESS);
});

test('an organisation does not see the people of another', async () => {
  const ada = await f.person('ada@example.com');
  const other = { ...f.people, org: 'other' };
  expect(await databaseDirectory(other).nameOf(ada)).toBeUndefined();
  expect(await personByEmail(other, 'ada@example.com')).not.toBe(ada);
});
