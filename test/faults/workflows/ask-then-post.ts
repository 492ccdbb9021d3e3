import { z } from 'zod';
import { runbook, type Runbook } from '../../../workflows/engine/runbook.js';

/** A runbook that waits for people; what it does afterwards tells which code ran. */
export const askThenPostAs = (text: string): Runbook =>
  runbook(
    {
      name: 'askThenPost',
      title: 'Ask, then post',
      summary: 'For the fault tests.',
      covers: [],
      input: z.object({ quorum: z.int().min(1).max(2).default(1) }),
      start: 'operators',
      plan: () => [{ heading: 'Ask and post', uses: ['go-on', 'slack.post'] }],
      rehearsals: [],
    },
    async ({ quorum }, run) => {
      await run.approve('go-on', { question: 'Go on?', group: 'approvers', quorum, within: '8 hours' });
      await run.steps.slack.post({ channel: 'incidents', text: `${text} in ${run.id}` });
      return { text };
    },
  );
