import { expect, test } from 'vitest';
import { z } from 'zod';
import { CAST, castDirectory } from '../../simulators/cast.js';
import { decideAdmission, type AdmissionCase } from '../../triggers/admission.js';
import { catalogueOf, findRunbook } from '../../triggers/catalogue.js';
import { commandOf, newRunId, parseRunId, rootOf } from '../../triggers/run-id.js';
import { catalogue } from './fixture.js';

const ID = /^p_[0-9A-HJKMNP-TV-Z]{26}$/;

test('a run id names org, command and day, and children are found under their root', () => {
  const at = new Date('2026-11-20T23:59:59Z');
  const run = newRunId({ org: 'default', runbook: 'secretRotation', at });
  expect(run).toMatch(/^default\.secret-rotation\.20261120-[0-9a-hjkmnp-tv-z]{8}$/);
  expect(rootOf(`${run}.restore.check`)).toBe(run);
  expect(parseRunId(`${run}.restore`)).toMatchObject({
    org: 'default',
    command: 'secret-rotation',
    children: ['restore'],
  });
  expect(rootOf('somebody elses/workflow')).toBe('somebody elses/workflow');
  expect(newRunId({ org: 'default', runbook: 'secretRotation', at })).not.toBe(run);
});

test('the same alert gets the same run id', () => {
  const of = (from: string) => newRunId({ org: 'default', runbook: 'x', at: new Date(0), from });
  expect(of('alert 1')).toBe(of('alert 1'));
  expect(of('alert 1')).not.toBe(of('alert 2'));
});

test.each([
  ['secretRotation', 'secret-rotation'],
  ['restoreDB', 'restore-db'],
  ['rotateDBKeys', 'rotate-db-keys'],
  ['drill', 'drill'],
])('the command of %s is %s', (name, command) => expect(commandOf(name)).toBe(command));

test('the catalogue has a JSON Schema of what a person enters, and finds by name and command', () => {
  const entry = findRunbook(catalogue, 'changeKey');
  expect(entry).toBe(findRunbook(catalogue, 'change-key'));
  expect(entry?.schema).toMatchObject({ type: 'object', required: ['secret'] });
});

test('an export that is no runbook is named', () => {
  expect(() => catalogueOf({ helper: () => 1 })).toThrow('exports helper, which is not a runbook');
  const spec = findRunbook(catalogue, 'changeKey')?.spec;
  expect(() => catalogueOf({ other: Object.assign(async () => 1, { spec }) })).toThrow(
    'whose spec is named changeKey',
  );
});

test('the cast of rehearsals has lasting ids and the groups that runbooks ask', async () => {
  const directory = castDirectory();
  for (const { id } of CAST) expect(id).toMatch(ID);
  expect(new Set(CAST.map(({ id }) => id)).size).toBe(CAST.length);
  const grace = await directory.personByName('grace');
  expect(grace).toBe('p_01J00000000000000000GRACE0');
  expect(await directory.groupsOf(String(grace))).toEqual(['approvers', 'security', 'technical-leads']);
  expect(await directory.groupsOf('p_somebody')).toEqual([]);
  expect(await directory.personByName('Nobody')).toBeUndefined();
});

const schema = z.object({ secret: z.string().min(3), nested: z.object({ days: z.int() }).optional() });
const fine: AdmissionCase = {
  spec: { name: 'x', title: 'Change a key', start: 'operators' },
  parsed: schema.safeParse({ secret: 'abc' }),
  missingConfig: [],
  person: 'p_1',
  known: true,
  groups: ['operators'],
  assurance: 'slack',
  assuranceAccepted: true,
  origin: 'slack',
};

test('a known member of the start group with a valid input is admitted', () => {
  expect(decideAdmission(fine)).toEqual({ admitted: true });
});

test.each<[string, Partial<AdmissionCase>, string, string]>([
  [
    'a stranger with a Temporal client',
    { person: null, origin: 'temporal' },
    'NotAsked',
    'nobody is on record',
  ],
  ['somebody who is not one of us', { known: false, groups: [] }, 'UnknownPerson', 'config/access.yaml'],
  [
    'somebody outside the start group',
    { groups: ['approvers'] },
    'MayNotStart',
    'only members of "operators" may start it; you are in approvers',
  ],
  [
    'a claimed name outside the local stack',
    { assurance: 'claimed', assuranceAccepted: false },
    'AssuranceNotAccepted',
    'local stack alone',
  ],
  [
    'a wrong input',
    { parsed: schema.safeParse({ secret: 'a', nested: { days: 1.5 } }) },
    'InvalidInput',
    'secret: give at least 3 characters; nested.days: must be a whole number',
  ],
  [
    'a secret that is not configured',
    { missingConfig: ['secrets/none'] },
    'UnknownConfig',
    'secrets/none is not configured',
  ],
  [
    'a stranger whose input is wrong too learns only that he is unknown',
    { known: false, parsed: schema.safeParse({}) },
    'UnknownPerson',
    'access.yaml',
  ],
])('%s is refused with the reason', (_, change, code, sentence) => {
  const decision = decideAdmission({ ...fine, ...change });
  expect(decision).toMatchObject({ admitted: false, code });
  if (!decision.admitted) expect(decision.sentence).toContain(sentence);
});
