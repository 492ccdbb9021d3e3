import { z } from 'zod';
import type { Systems } from '../index.js';
import { secretRef as ref } from '../new-key.js';
import { verb, type StepContext } from '../step.js';
import { project } from './inputs.js';

/** One request each: more would take longer than a step should. */
const MOST_USERS = 100;

const users = z
  .array(z.guid('is not the id of a Supabase user (a UUID): never put an e-mail address here'))
  .min(1, 'names nobody')
  .max(MOST_USERS, `are too many: at most ${MOST_USERS} in one step`);

interface Accounts {
  readonly project: string;
  readonly users: readonly string[];
  readonly ref: string;
}

/** Verbs on the people who use a project's application. People appear as opaque ids only. */
export const accountSteps = ({ supabase, vault }: Pick<Systems, 'supabase' | 'vault'>) => {
  /** How many of the users are there and now have the wanted state; one that is gone is not counted. */
  const setBans = async (input: Accounts, banned: boolean, step: StepContext): Promise<number> => {
    const key = await vault.reveal(input.ref);
    const wanted = new Set(input.users.map((user) => user.toLowerCase()));
    let count = 0;
    for (const user of wanted) {
      if (await supabase.setBan(input.project, key, user, banned, step)) count += 1;
      step.heartbeat({ users: count });
    }
    return count;
  };

  return {
    /**
     * Users that are gone are left out of the count. A disabled user can neither sign in nor refresh a session; an
     * access token that is out works until it expires.
     */
    disableUsers: verb({
      input: z.object({ project, users, ref }),
      output: z.object({ disabled: z.number().int() }),
      repeatable: true,
      run: async (input, step) => ({ disabled: await setBans(input, true, step) }),
    }),

    /** Users that are gone are left out of the count. */
    enableUsers: verb({
      input: z.object({ project, users, ref }),
      output: z.object({ enabled: z.number().int() }),
      repeatable: true,
      run: async (input, step) => ({ enabled: await setBans(input, false, step) }),
    }),

    /**
     * `revoked` tells whether no session from before the step is left; sessions that were opened since do not count.
     * Access tokens that are out work until they expire.
     */
    revokeSessions: verb({
      input: z.object({ project }),
      output: z.object({ revoked: z.boolean() }),
      repeatable: true,
      run: async (input, step) => ({ revoked: (await supabase.endSessions(input.project, step)) === 0 }),
    }),
  };
};
