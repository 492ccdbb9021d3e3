import type { Pool } from 'pg';
import { DrillReport } from '../worker/rehearsal/drill-report.js';

/** A stored drill. `endedAt` is ISO 8601, UTC, wall time. */
export interface Drill {
  readonly id: number;
  readonly endedAt: string;
  readonly report: DrillReport;
  readonly markdown: string;
}

/** Stores the report of a rehearsal; storing it again changes nothing. @returns its number */
export async function storeDrill(
  pool: Pool,
  org: string,
  report: DrillReport,
  markdown: string,
): Promise<number> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH stored AS (
       INSERT INTO engine.drill (org, run, runbook, rehearsal, outcome, report, markdown)
       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (org, run) DO NOTHING RETURNING id)
     SELECT id FROM stored UNION ALL SELECT id FROM engine.drill WHERE org = $1 AND run = $2 LIMIT 1`,
    [org, report.run, report.runbook, report.rehearsal, report.outcome, JSON.stringify(report), markdown],
  );
  return Number(rows[0]?.id);
}

/** The newest drills, of one runbook or of all. */
export async function listDrills(
  pool: Pool,
  org: string,
  { runbook, limit }: { readonly runbook?: string; readonly limit: number },
): Promise<Drill[]> {
  const { rows } = await pool.query<Row>(
    'SELECT * FROM engine.drill WHERE org = $1 AND ($2::text IS NULL OR runbook = $2) ORDER BY id DESC LIMIT $3',
    [org, runbook ?? null, limit],
  );
  return rows.map(fromRow);
}

/** One drill; undefined when there is none of that number. */
export async function readDrill(pool: Pool, org: string, id: number): Promise<Drill | undefined> {
  const { rows } = await pool.query<Row>('SELECT * FROM engine.drill WHERE org = $1 AND id = $2', [org, id]);
  return rows[0] === undefined ? undefined : fromRow(rows[0]);
}

interface Row {
  readonly id: string;
  readonly ended_at: Date;
  readonly report: unknown;
  readonly markdown: string;
}

function fromRow({ id, ended_at, report, markdown }: Row): Drill {
  return {
    id: Number(id),
    endedAt: ended_at.toISOString(),
    report: DrillReport.parse(report),
    markdown,
  };
}
