import { z } from 'zod';
import { runbook, type Runbook } from '../../../workflows/engine/runbook.js';

export interface Edit {
  /** This code has a step before the question that the other has not: what ran on one does not replay on the other. */
  readonly looksFirst?: boolean;
}

/** A runbook that waits for people; what it does afterwards tells which code ran. */
export const askThenPostAs = (text: string, { looksFirst = false }: Edit = {}): Runbook =>
  runbook(
    {
      name: 'askThenPost',
      title: 'Ask, then post',
      summary: 'For the fault tests.',
      covers: [],
      input: z.object({ quorum: z.int().min(1).max(2).default(1) }),
      start: 'operators',
      plan: () => [
        {
          heading: 'Ask and post',
          uses: [...(looksFirst ? ['application.health'] : []), 'go-on', 'slack.post'],
        },
      ],
      rehearsals: [],
    },
    async ({ quorum }, run) => {
      if (looksFirst) await run.steps.application.health({ checks: ['api'] });
      await run.approve('go-on', { question: 'Go on?', group: 'approvers', quorum, within: '8 hours' });
      await run.steps.slack.post({ channel: 'incidents', text: `${text} in ${run.id}` });
      return { text };
    },
  );
