import { z } from 'zod';
import type { Operation } from '../simulator.js';
import { managed, refuse, type StoredProject, type SupabaseState } from './state.js';

const QueryBody = z.strictObject({
  query: z.string().min(1),
  parameters: z.array(z.unknown()).optional(),
  read_only: z.boolean().optional(),
});
const RestoreBody = z.strictObject({ recovery_time_target_unix: z.number().int().min(0) });

/** The two queries that the simulated database understands. */
const END_SESSIONS =
  /^with ended as \(delete from auth\.sessions returning id\)\s+select count\(\*\)::int as ended, now\(\)::text as at from ended$/;
const SESSIONS_LEFT =
  /^select count\(\*\)::int as sessions from auth\.sessions where created_at <= \$1::timestamptz$/;

const unix = (iso: string): number => Math.floor(Date.parse(iso) / 1_000);

/** Every look brings a restore further. */
function look(project: StoredProject): string {
  const { restoring } = project;
  if (restoring === undefined || restoring === null) return project.status ?? 'ACTIVE_HEALTHY';
  if (restoring.before > 0) {
    restoring.before -= 1;
    return project.status ?? 'ACTIVE_HEALTHY';
  }
  if (restoring.left > 0) {
    restoring.left -= 1;
    return 'RESTORING';
  }
  project.status = project.recovery?.endsAs ?? 'ACTIVE_HEALTHY';
  if (project.status === 'ACTIVE_HEALTHY') project.restoredTo = restoring.to;
  project.restoring = null;
  return project.status;
}

/** What the Management API does to a project as a whole and to its database. */
export const databaseOperations: Record<string, Operation<SupabaseState>> = {
  getProject: {
    method: 'get',
    path: '/v1/projects/:ref',
    source: 'https://supabase.com/docs/reference/api/v1-get-project',
    handle: managed(({ params }, project) => ({
      body: { id: params['ref'], ref: params['ref'], name: 'simulated', status: look(project) },
    })),
  },

  listBackups: {
    method: 'get',
    path: '/v1/projects/:ref/database/backups',
    source: 'https://supabase.com/docs/reference/api/v1-list-all-backups',
    handle: managed((_call, { recovery: { range, daily = [] } = {} }) => ({
      body: {
        region: 'eu-central-1',
        walg_enabled: true,
        pitr_enabled: range !== undefined,
        backups: daily.map(({ at, status }, index) => ({
          id: index + 1,
          is_physical_backup: true,
          status,
          inserted_at: at,
        })),
        physical_backup_data:
          range === undefined
            ? {}
            : {
                earliest_physical_backup_date_unix: unix(range.earliest),
                latest_physical_backup_date_unix: unix(range.latest),
              },
      },
    })),
  },

  restorePitr: {
    method: 'post',
    path: '/v1/projects/:ref/database/backups/restore-pitr',
    source: 'https://supabase.com/docs/reference/api/v1-restore-pitr-backup',
    handle: managed((call, project) => {
      const parsed = RestoreBody.safeParse(call.body);
      if (!parsed.success) return refuse(400, 'recovery_time_target_unix must be an integer number');
      const { range, looks = 2, looksBefore = 1 } = project.recovery ?? {};
      if (range === undefined) return refuse(400, 'PITR is not enabled for this project');
      if (project.restoring !== undefined && project.restoring !== null)
        return refuse(400, 'Project is already being restored');
      const target = parsed.data.recovery_time_target_unix;
      if (target < unix(range.earliest) || target > unix(range.latest))
        return refuse(400, 'Recovery time target is outside of the available range');
      project.restoring = { to: new Date(target * 1_000).toISOString(), before: looksBefore, left: looks };
      call.effect('point-in-time restore started', call.params['ref'] ?? '');
      return { status: 201 };
    }),
  },

  query: {
    method: 'post',
    path: '/v1/projects/:ref/database/query',
    source: 'https://supabase.com/docs/reference/api/v1-run-a-query',
    handle: managed((call, project) => {
      const parsed = QueryBody.safeParse(call.body);
      if (!parsed.success) return refuse(400, 'query must be a string');
      const { query, parameters = [] } = parsed.data;
      const { sessions = [] } = project;
      if (END_SESSIONS.test(query)) {
        project.sessions = [];
        if (sessions.length > 0) call.effect('sessions ended', call.params['ref'] ?? '');
        return { status: 201, body: [{ ended: sessions.length, at: new Date().toISOString() }] };
      }
      if (SESSIONS_LEFT.test(query)) {
        const until = Date.parse(String(parameters[0]));
        const left = sessions.filter((openedAt) => Date.parse(openedAt) <= until);
        return { status: 201, body: [{ sessions: left.length }] };
      }
      return refuse(400, 'Failed to run sql query: syntax error');
    }),
  },
};
