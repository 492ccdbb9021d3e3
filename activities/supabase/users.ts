import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Supabase } from './contract.js';
import { unexpectedAnswer, type ProjectClient } from './project-client.js';

/**
 * A hundred years: Auth knows bans with an end only, as a Go duration whose largest unit is the hour.
 * https://supabase.com/docs/reference/javascript/auth-admin-updateuserbyid, `ban_duration`
 */
const FOR_GOOD = '876000h';

const NEXT =
  'Check that the key in the vault is a secret key of this project and still accepted, and the ids in the step, then retry.';

const UserAnswer = z.object({ user: z.object({ id: z.string(), banned_until: z.string().nullish() }) });

const NoSuchUser = z.looseObject({ code: z.literal('user_not_found') });

/**
 * Bans a user, or lifts the ban. The answer is only believed when it shows the wanted state.
 * https://supabase.com/docs/reference/javascript/auth-admin-updateuserbyid
 */
export const banSetter =
  (useProject: ProjectClient): Supabase['setBan'] =>
  async (project, key, user, banned, { signal } = {}) => {
    const what = `${banned ? 'disable' : 'enable'} user ${user} of Supabase project ${project}`;
    const call = { what, next: NEXT, accept: [404], signal };
    const { status, data, error } = await useProject(project, key, call, (client) =>
      client.auth.admin.updateUserById(user, { ban_duration: banned ? FOR_GOOD : 'none' }),
    );
    if (status === 404) {
      // https://supabase.com/docs/guides/auth/debugging/error-codes
      if (NoSuchUser.safeParse(error).success) return false;
      throw ApplicationFailure.nonRetryable(`${what}: HTTP 404 from the project. ${NEXT}`, 'VendorRefused', {
        status,
      });
    }
    const answered = UserAnswer.safeParse(data).data?.user;
    if (answered?.id !== user.toLowerCase()) throw unexpectedAnswer(what);
    const until = Date.parse(answered.banned_until ?? '');
    if (until > Date.now() !== banned) throw unexpectedAnswer(what);
    return true;
  };
