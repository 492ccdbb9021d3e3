import { z } from 'zod';
import { answer } from '../http.js';
import { BackupsAnswer, ProjectAnswer, type Supabase } from './contract.js';
import type { ManagementCall } from './http.js';

/** The refresh tokens of a session go with it: they reference it with `on delete cascade`. */
const END_SESSIONS = `with ended as (delete from auth.sessions returning id)
select count(*)::int as ended, now()::text as at from ended`;

const SESSIONS_LEFT =
  'select count(*)::int as sessions from auth.sessions where created_at <= $1::timestamptz';

const Ended = z.tuple([z.object({ at: z.string().min(1) })]);
const Left = z.tuple([z.object({ sessions: z.number().int().nonnegative() })]);

const fromUnix = (seconds: number | null | undefined): Date | undefined =>
  typeof seconds === 'number' && seconds > 0 ? new Date(seconds * 1_000) : undefined;

type DatabaseCalls = Pick<Supabase, 'endSessions' | 'backups' | 'restorePointInTime' | 'status'>;

/** What the Management API does to a project as a whole and to its database. */
export const databaseCalls = (call: ManagementCall): DatabaseCalls => ({
  /**
   * There is no call that ends the sessions of other people: `auth.admin.signOut` of supabase-js wants the access
   * token of the user it signs out. What is left are the rows of `auth.sessions`, which Supabase publishes as the
   * place where sessions live (https://supabase.com/docs/guides/auth/sessions), and a new signing key for all tokens
   * (https://supabase.com/docs/guides/auth/signing-keys). Deleting the rows is the milder one: everybody has to sign
   * in again, but no key of the application changes. Access tokens that are out work until they expire, an hour at
   * most unless the project says otherwise (https://supabase.com/docs/guides/auth/signout).
   * https://supabase.com/docs/reference/api/v1-run-a-query
   */
  async endSessions(project, { signal } = {}) {
    const what = `end the sessions of Supabase project ${project}`;
    const query = async <S extends z.ZodType>(schema: S, body: object): Promise<z.output<S>> =>
      await answer(
        schema,
        await call(project, '/database/query', { what, method: 'POST', body, signal }),
        what,
      );
    const [{ at }] = await query(Ended, { query: END_SESSIONS });
    const [{ sessions }] = await query(Left, { query: SESSIONS_LEFT, parameters: [at] });
    return sessions;
  },

  // https://supabase.com/docs/reference/api/v1-list-all-backups
  async backups(project, { signal } = {}) {
    const what = `list the backups of Supabase project ${project}`;
    const listed = await answer(
      BackupsAnswer,
      await call(project, '/database/backups', { what, signal }),
      what,
    );
    return {
      pointInTime: listed.pitr_enabled,
      earliest: fromUnix(listed.physical_backup_data?.earliest_physical_backup_date_unix),
      latest: fromUnix(listed.physical_backup_data?.latest_physical_backup_date_unix),
      backups: listed.backups
        .map(({ inserted_at, status }) => ({ at: utc(inserted_at), status }))
        .filter(({ at }) => !Number.isNaN(at.getTime()))
        .toSorted((a, b) => a.at.getTime() - b.at.getTime()),
    };
  },

  // https://supabase.com/docs/reference/api/v1-restore-pitr-backup
  async restorePointInTime(project, at, { signal } = {}) {
    const what = `restore Supabase project ${project} to ${at.toISOString()}`;
    const response = await call(project, '/database/backups/restore-pitr', {
      what,
      method: 'POST',
      body: { recovery_time_target_unix: Math.floor(at.getTime() / 1_000) },
      signal,
    });
    await response.body?.cancel();
  },

  // https://supabase.com/docs/reference/api/v1-get-project
  async status(project, { signal } = {}) {
    const what = `look at the status of Supabase project ${project}`;
    return (await answer(ProjectAnswer, await call(project, '', { what, signal }), what)).status;
  },
});

/** Some answers have no time zone: they are in UTC. */
const utc = (text: string): Date => new Date(/(Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`);
