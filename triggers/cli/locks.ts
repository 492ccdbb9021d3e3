import { textIn } from '../../activities/engine/locks.js';
import type { Context } from './context.js';
import { clean, columns, fromNow } from './terminal.js';

/** How long Temporal may take to list locks. */
const LIST_WITHIN_MS = 5_000;

/** `locks`: what is held at the moment, by which run, since when. */
export async function locks(context: Context): Promise<void> {
  const { services, colours: c } = context;
  const client = await services.client('live');
  const held: { resource: string; holder: string; since: string }[] = [];
  await client.withDeadline(Date.now() + LIST_WITHIN_MS, async () => {
    const query = "WorkflowType = 'lock' AND ExecutionStatus = 'Running'";
    for await (const { memo } of client.workflow.list({ query })) {
      const [resource, holder, since] = ['resource', 'holder', 'since'].map((name) => textIn(memo, name));
      held.push({ resource: resource ?? '', holder: holder ?? '', since: since ?? '' });
    }
  });
  const now = new Date().toISOString();
  const rows = columns(held.map(({ resource, holder }) => [clean(resource), clean(holder)]));
  for (const [index, row] of rows.entries()) {
    context.say(`${row.join('  ')}  ${c.dim(fromNow(held[index]?.since ?? now, now))}`);
  }
  if (held.length === 0) context.say('No run holds a lock.');
  context.document(held);
}
