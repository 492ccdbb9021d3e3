import type { Incident } from './mitigations.js';

export interface Resolved {
  readonly description: string;
  readonly resolvedAt: Date;
  /** What happened when, and what was done. */
  readonly lines: readonly string[];
}

/** The root cause, the post-mortem drafted from the record, and the action items. @returns hash of the report */
export async function writePostMortem(
  { run, known }: Incident,
  { description, resolvedAt, lines }: Resolved,
): Promise<string | null> {
  const severity = run.severity ?? 'sev1';
  const { title, repository } = run.config.service;
  const { postMortemWithin: within } = run.config.escalation.severities[severity];
  if (within === null) return null;
  const clock = run.deadline('post-mortem-in-time', {
    what: `The post-mortem of ${description} is written`,
    within,
    from: resolvedAt,
    group: 'technical-leads',
  });
  await run.manual('root-cause', {
    instruction: `Find out why this happened: ${known.summary} Give the root cause, and what keeps it from happening again, as evidence.`,
    group: 'technical-leads',
  });
  const { hash } = await run.report('post-mortem', `Post-mortem: ${title}, ${description}`, {
    kind: 'post-mortem',
    facts: [{ heading: 'Timeline', lines }],
  });
  clock.met();
  if (repository !== null) {
    await run.steps.github.createIssue({
      repository,
      title: `Action items of the incident ${description}`,
      body: `The post-mortem of run ${run.id} names what keeps this from happening again. Its SHA-256: ${hash}`,
      labels: ['incident', severity],
    });
  }
  return hash;
}
