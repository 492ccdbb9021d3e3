import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pagerdutyAlerts } from '../../simulators/pagerduty.js';
import { slackMessages } from '../../simulators/slack.js';
import type { World } from '../../simulators/world.js';
import { findRunbook } from '../../triggers/catalogue.js';
import { put } from '../../triggers/inbox.js';
import { deliver } from '../../triggers/relay.js';
import type { RehearsalHost, RehearsalHooks, RehearsalResult } from '../../worker/rehearsal/index.js';
import { CAST } from '../../simulators/cast.js';
import type { Rehearsal, Severity } from '../../workflows/engine/types.js';
import { rehearsalHost, testInstallation, type TestInstallation } from '../helpers/engine.js';
import { answered, messagesOf, ofKind } from '../helpers/rehearsals.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const AT_ONCE = 'Outage, and somebody takes charge at once';

let installation: TestInstallation;
let host: RehearsalHost;

beforeAll(async () => {
  installation = await testInstallation();
  host = await rehearsalHost(installation);
}, 240_000);

afterAll(async () => {
  await host?.close();
  await installation?.close();
}, 60_000);

const entry = () => {
  const found = findRunbook(installation.installation.catalogue, 'incidentResponse');
  if (found === undefined) throw new Error('the runbook is not in the catalogue');
  return found;
};

/** A rehearsal of the runbook by its name. */
function named(name: string): Rehearsal<unknown> {
  const found = entry().spec.rehearsals.find((rehearsal) => rehearsal.name === name);
  if (found === undefined) throw new Error(`no rehearsal "${name}"`);
  return found;
}

const rehearse = (rehearsal: Rehearsal<unknown>, hooks?: RehearsalHooks): Promise<RehearsalResult> =>
  host.rehearse(entry(), rehearsal, hooks);

const person = (name: string): string => CAST.find((member) => member.name === name)?.id ?? '';
const effectsOf = ({ world }: RehearsalResult, system: string) =>
  world.effects
    .filter((effect) => effect.system === system)
    .map(({ what, subject }) => `${what}: ${subject}`);
const activitiesOf = (result: RehearsalResult): string[] =>
  ofKind(result, 'step.intent').map(({ activity }) => activity);

interface Notice {
  readonly status: string;
  readonly impact: string;
  readonly updates: readonly { readonly status: string }[];
}
const statusPage = (world: World): readonly Notice[] =>
  (world.dump()['statuspage'] as { incidents?: readonly Notice[] } | undefined)?.incidents ?? [];

/** Texts in a channel, oldest first. */
const textsIn = (world: World, channel: string): string[] =>
  slackMessages(world, channel).map(({ text }) => text);

/** Who was asked to take charge as well, and after how many minutes. */
function climbed(result: RehearsalResult): (readonly [string, number])[] {
  const asked = ofKind(result, 'question.asked').find(({ target }) => target === 'acknowledge');
  return ofKind(result, 'question.escalated')
    .filter(({ target }) => target === 'acknowledge')
    .map(({ group, virtual }) => [
      group,
      Math.round((Date.parse(virtual) - Date.parse(asked?.virtual ?? '')) / MINUTE_MS),
    ]);
}

describe('taking charge', () => {
  test('nobody acknowledges a sev1: the CTO is told at once, technical leads after 15 minutes, managers after 30', async () => {
    const result = await rehearse(named('Outage, and nobody on call answers'));
    expect(climbed(result)).toEqual([
      ['executives', 0],
      ['technical-leads', 15],
      ['managers', 30],
    ]);
    expect(result.output).toMatchObject({ acknowledgedBy: person('Linus') });
    expect(effectsOf(result, 'email').some((effect) => effect.includes('executives'))).toBe(true);
    // Those on call and the technical leads: one page does not stand for the other.
    expect(pagerdutyAlerts(result.world)).toHaveLength(2);
  });

  test('the first acknowledgement stops the ladder', async () => {
    const result = await rehearse(named(AT_ONCE));
    expect(climbed(result)).toEqual([['executives', 0]]);
    expect(result.output).toMatchObject({ acknowledgedBy: person('Margaret') });
    const { acknowledgedAfterMs } = result.output as { acknowledgedAfterMs: number };
    expect(Math.round(acknowledgedAfterMs / MINUTE_MS)).toBe(3);
    expect(ofKind(result, 'deadline.missed')).toEqual([]);
  });

  test.each(['before', 'after'] as const)(
    'who is to take charge is asked once, although Slack fails %s it answers',
    async (point) => {
      // As many as are sent at first: what is asked, who is asked as well, and the page.
      const fault = { operation: 'slack.conversations.list', point, times: 3 };
      const result = await rehearse({ ...named(AT_ONCE), faults: [fault] });
      expect(result.world.injected('slack.conversations.list')).toBe(3);
      const told = (about: string): string[] =>
        messagesOf(result).filter((text) => text.includes(`[${about}]`) && text.includes('/ acknowledge)'));
      expect(told('question asked')).toHaveLength(1);
      expect(told('question escalated')).toHaveLength(1);
      expect(climbed(result)).toEqual([['executives', 0]]);
    },
  );

  test('an acknowledgement that comes too late is answered for', async () => {
    const result = await rehearse(named('Outage, and nobody on call answers'));
    expect(ofKind(result, 'deadline.missed').map(({ deadline }) => deadline)).toEqual([
      'acknowledge-in-time',
    ]);
    expect(ofKind(result, 'deadline.ended')).toContainEqual(
      expect.objectContaining({ deadline: 'acknowledge-in-time', outcome: 'justified' }),
    );
  });

  test('the page that was there already is acknowledged and resolved, and nobody is paged twice', async () => {
    const result = await rehearse(named(AT_ONCE));
    expect(pagerdutyAlerts(result.world)).toMatchObject([{ dedupKey: 'alert-4711', status: 'resolved' }]);
    expect(effectsOf(result, 'pagerduty')).toEqual([
      'alert triggered: critical',
      'alert acknowledged: critical',
      'alert resolved: critical',
    ]);
  });
});

describe('who is told', () => {
  test('the incident has a channel of its own by its date and name, and the channel of its severity is told as well', async () => {
    const result = await rehearse(named(AT_ONCE));
    const { channel } = result.output as { channel: string };
    expect(channel).toMatch(/^incident-\d{4}-\d\d-\d\d-sign-in-fails$/);
    expect(textsIn(result.world, channel)[0]).toContain('Nobody can sign in');
    expect(textsIn(result.world, 'incidents-critical')[0]).toContain('Nobody can sign in');
  });

  test('the severity can be raised while the incident is open, and the next messages follow it', async () => {
    const result = await rehearse(named('More severe than reported'));
    expect(result.output).toMatchObject({ severity: 'sev1' });
    expect(textsIn(result.world, 'incidents-high')).toHaveLength(1);
    expect(textsIn(result.world, 'incidents-critical')).toHaveLength(1);
    expect(effectsOf(result, 'email').some((effect) => effect.includes('executives'))).toBe(true);
    expect(statusPage(result.world)).toMatchObject([{ impact: 'critical' }]);
  });

  test('it can be lowered, and the next messages follow it', async () => {
    const result = await rehearse(named('Less severe than reported, and a vendor fails'));
    expect(result.output).toMatchObject({ severity: 'sev3' });
    expect(statusPage(result.world)).toMatchObject([{ impact: 'minor' }]);
    expect(effectsOf(result, 'email').some((effect) => effect.includes('stakeholders'))).toBe(false);
  });

  test('it can be changed by a message at any time, not only when it is assessed', async () => {
    const result = await rehearse(named('The post-mortem is late'), {
      steps: (steps) => {
        const { health } = steps.application;
        const run: typeof health.run = async (input, step) => {
          await changeSeverity(step.run, 'sev1');
          return await health.run(input, step);
        };
        return { ...steps, application: { ...steps.application, health: { ...health, run } } };
      },
    });
    expect(ofKind(result, 'severity.set').map(({ severity }) => severity)).toEqual(['sev3', 'sev1']);
    expect(textsIn(result.world, 'incidents-critical')).toHaveLength(1);
    expect(statusPage(result.world)).toMatchObject([{ impact: 'critical' }]);
  });

  test('the status page says investigating before it says resolved', async () => {
    const { world } = await rehearse(named(AT_ONCE));
    expect(statusPage(world)[0]?.updates.map(({ status }) => status)).toEqual([
      'investigating',
      'monitoring',
      'resolved',
    ]);
  });

  test('the status page takes nothing for resolved that a person calls not restored', async () => {
    const { world } = await rehearse(named('Less severe than reported, and a vendor fails'));
    expect(statusPage(world)[0]?.updates.map(({ status }) => status)).toEqual([
      ...['investigating', 'monitoring', 'investigating', 'monitoring'],
      'resolved',
    ]);
  });

  test("the vendor's desk is named exactly", async () => {
    const result = await rehearse(named('Less severe than reported, and a vendor fails'));
    expect(messagesOf(result).join('\n')).toContain('Netlify: support@netlify.com (Pro plan)');
  });

  test('a sev4 owes no post-mortem, wakes nobody, and the public does not hear of it', async () => {
    const result = await rehearse(named('A cosmetic problem'));
    expect(result.output).toMatchObject({ severity: 'sev4', report: null });
    expect(ofKind(result, 'deadline.started').map(({ deadline }) => deadline)).toEqual([
      'acknowledge-in-time',
    ]);
    for (const activity of ['pagerduty.trigger', 'sms.send', 'email.send', 'statuspage.createIncident'])
      expect(activitiesOf(result)).not.toContain(activity);
  });
});

describe('mitigation', () => {
  test('is asked for again until the checks pass', async () => {
    const result = await rehearse(named('More severe than reported'));
    expect(
      ofKind(result, 'decision.made').flatMap(({ decision, option }) =>
        decision.startsWith('mitigation') ? [option] : [],
      ),
    ).toEqual(['flag off', 'flag on']);
  });

  test('an isolated component is connected again only when somebody else agrees', async () => {
    const script = named('A component is isolated, and connected again');
    const agreed = await rehearse(script);
    expect(effectsOf(agreed, 'application')).toContain('component isolation lifted: payments');
    expect(agreed.output).toMatchObject({ stillIsolated: [] });
    const silent = await rehearse(answered(script, { 'lift-isolation': 'nobody' }));
    expect(activitiesOf(silent)).not.toContain('application.liftIsolation');
    expect(silent.output).toMatchObject({ stillIsolated: ['payments'] });
  });

  test('a response that is stopped leaves no notice open, and says what is still isolated', async () => {
    const result = await rehearse(named('The response is stopped with a component isolated'));
    expect(statusPage(result.world).map(({ status }) => status)).toEqual(['resolved']);
    expect(activitiesOf(result)).not.toContain('application.liftIsolation');
    expect(textsIn(result.world, 'operations').join('\n')).toContain('payments of Shop is STILL ISOLATED');
  });

  test('a status page that does not work stops nobody from mitigating', async () => {
    const result = await rehearse(named('The status page refuses, and the response is stopped'));
    const order = result.entries.map(({ entry: said }) => said);
    const mitigated = order.findIndex(
      (said) => said.kind === 'decision.made' && said.decision === 'mitigation',
    );
    const given = order.findIndex((said) => said.kind === 'step.resolved');
    expect(mitigated).toBeGreaterThan(-1);
    expect(mitigated).toBeLessThan(given);
  });
});

describe('afterwards', () => {
  test('the post-mortem is owed 48 hours after the resolution and is drafted from the record', async () => {
    const result = await rehearse(named(AT_ONCE));
    const { resolvedAt, report } = result.output as { resolvedAt: string; report: string };
    const clock = ofKind(result, 'deadline.started').find(
      ({ deadline }) => deadline === 'post-mortem-in-time',
    );
    expect(clock?.from).toBe(resolvedAt);
    expect(Date.parse(clock?.due ?? '') - Date.parse(resolvedAt)).toBe(48 * HOUR_MS);
    const kept = ofKind(result, 'evidence.kept').find(({ evidence }) => evidence === 'post-mortem');
    expect(kept).toMatchObject({ sha256: report });
    const cause = ofKind(result, 'question.answered').find(({ target }) => target === 'root-cause');
    expect(Date.parse(kept?.virtual ?? '')).toBeGreaterThanOrEqual(Date.parse(cause?.virtual ?? 'never'));
  });

  test('a root cause that nobody can name ends the run, and takes nothing back', async () => {
    const abort = { by: 'Grace', choice: 'abort', reason: 'The logs are gone' } as const;
    const result = await rehearse({ ...answered(named(AT_ONCE), { 'root-cause': abort }), ends: 'aborted' });
    expect(result.outcome).toBe('aborted');
    expect(ofKind(result, 'undo.started')).toEqual([]);
    expect(statusPage(result.world).map(({ status }) => status)).toEqual(['resolved']);
  });

  test('what is to be done is an issue that names the run and the report', async () => {
    const result = await rehearse(named(AT_ONCE));
    const { report } = result.output as { report: string };
    const github = result.world.dump()['github'] as {
      repositories: Record<string, { issues: readonly { title: string; body: string }[] } | undefined>;
    };
    const [issue] = github.repositories['example/shop']?.issues ?? [];
    expect(issue?.title).toContain('sign-in-fails');
    expect(issue?.body).toContain(report);
    expect(issue?.body).toContain(result.run);
  });
});

/** A person on call changes the severity while the run is at work. */
async function changeSeverity(run: string, severity: Severity): Promise<void> {
  const { pool, ledger } = installation.installation;
  const { id } = await put(pool, ledger, {
    ...{ org: installation.environment.org, mode: 'rehearsal', run, runbook: 'incidentResponse' },
    ...{ assurance: 'claimed', channel: 'rehearsal', person: person('Margaret') },
    ...{ kind: 'severity', severity, reason: 'It affects everybody' },
  });
  await deliver({ pool, ledger, clients: { rehearsal: installation.rehearsal } }, id);
}
