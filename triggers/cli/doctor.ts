import { loadVaultKeys } from '../../activities/vault/keys.js';
import { accessFile } from '../../config/access.js';
import { applicationFile } from '../../config/application.js';
import type { VendorName } from '../../config/environment.js';
import { assertAppRole } from '../../database/app-role.js';
import type { Mode } from '../../workflows/engine/types.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit.js';
import { clean } from './terminal.js';
import { join } from 'node:path';

export type Finding =
  | { readonly part: string; readonly state: 'ok'; readonly what: string }
  | { readonly part: string; readonly state: 'warn' | 'fail'; readonly what: string; readonly todo: string };

const NODE_AT_LEAST = [20, 19] as const;
const ANSWER_WITHIN_MS = 5_000;
/** A message that waits longer has no relay. */
const RELAYED_WITHIN_SECONDS = 15;

/** A worker asks again after a minute at most. */
const POLLED_WITHIN_SECONDS = 70;

/** Tables by which a database shows that it is migrated. */
const TABLES = ['ledger.leaf', 'engine.people', 'engine.inbox', 'engine.bundle', 'vault.version'];

const CREDENTIALS: Readonly<Record<VendorName, string>> = {
  openai: 'OPENAI_ADMIN_KEY',
  resend: 'RESEND_ADMIN_KEY',
  supabase: 'SUPABASE_ACCESS_TOKEN',
  netlify: 'NETLIFY_AUTH_TOKEN',
  stripe: 'STRIPE_ADMIN_KEY',
  slack: 'SLACK_BOT_TOKEN',
  pagerduty: 'PAGERDUTY_ROUTING_KEY',
  'pagerduty-api': 'PAGERDUTY_API_TOKEN',
  email: 'RESEND_API_KEY or SMTP_URL, with EMAIL_FROM',
  sms: 'SMS_WEBHOOK_URL with SMS_WEBHOOK_TOKEN',
  github: 'GITHUB_TOKEN',
  cloudflare: 'CLOUDFLARE_API_TOKEN',
  route53: 'AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY',
  statuspage: 'STATUSPAGE_API_KEY with STATUSPAGE_PAGE_ID',
};

/** `doctor`: looks at each part of the set-up, and says what to do. */
export async function doctor(context: Context): Promise<ExitCode> {
  const { colours: c } = context;
  const findings: Finding[] = [];
  // All at once: a server that is away is waited for once, not by each check that needs it.
  for (const found of await Promise.all(CHECKS.map(async (look) => await look(context)))) {
    for (const finding of found) {
      findings.push(finding);
      const symbol = { ok: c.green('✓'), warn: c.yellow('!'), fail: c.red('✗') }[finding.state];
      const lines = clean(finding.what);
      context.say(`${symbol} ${c.bold(finding.part)}  ${lines}`);
      if (finding.state !== 'ok') context.say(`    ${clean(finding.todo)}`);
    }
  }
  const count = (state: Finding['state']) => findings.filter((finding) => finding.state === state).length;
  const [fails, warns] = [count('fail'), count('warn')];
  context.say();
  if (fails > 0) context.say(c.red(`${plural(fails, 'part')} must be mended before runs go well.`));
  else if (warns > 0) context.say(c.yellow(`It works; ${plural(warns, 'thing')} should be looked at.`));
  else context.say(c.green('Everything is as it should be.'));
  context.document({ ok: fails === 0, findings });
  return fails === 0 ? EXIT.ok : EXIT.failed;
}

type Check = (context: Context) => Promise<Finding[]> | Finding[];

const ok = (part: string, what: string): Finding => ({ part, state: 'ok', what });
const warn = (part: string, what: string, todo: string): Finding => ({ part, state: 'warn', what, todo });
const fail = (part: string, what: string, todo: string): Finding => ({ part, state: 'fail', what, todo });

const CHECKS: readonly Check[] = [
  environment,
  node,
  configuration,
  database,
  messages,
  (context) => temporal(context, 'live'),
  (context) => temporal(context, 'rehearsal'),
  timeSkipping,
  worker,
  vaultKey,
  vendors,
];

function node(): Finding[] {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNew = major > NODE_AT_LEAST[0] || (major === NODE_AT_LEAST[0] && minor >= NODE_AT_LEAST[1]);
  const what = `version ${process.versions.node}`;
  return [
    isNew
      ? ok('Node', what)
      : fail('Node', what, `Install ${NODE_AT_LEAST.join('.')} or newer from https://nodejs.org.`),
  ];
}

function environment(context: Context): Finding[] {
  try {
    const { local, org } = context.services.environment;
    return [
      ok(
        'Environment',
        `organisation ${org}${local ? ', local stack: names given with --as are believed' : ''}`,
      ),
    ];
  } catch (error) {
    return [fail('Environment', messageOf(error), 'Most parts can only be looked at then.')];
  }
}

function configuration(context: Context): Finding[] {
  const { configuration: files, configDirectory } = context.services;
  const log = { error: () => undefined };
  const read = (part: string, path: string, use: () => string): Finding => {
    try {
      return ok(part, use());
    } catch (error) {
      return fail(part, messageOf(error), `Correct ${path}; an edit counts without a restart.`);
    }
  };
  const application = join(configDirectory, 'application.yaml');
  return [
    read('access.yaml', files.access.path, () => {
      const { people, groups } = accessFile(files.access.path, { log }).get();
      return `${plural(people.length, 'person', 'people')}, ${plural(Object.keys(groups).length, 'group')}`;
    }),
    read('secrets.yaml', files.secrets.path, () => plural(files.secrets.get().size, 'secret')),
    read('application.yaml', application, () => {
      const { verbs } = applicationFile(application, context.io.env, { log }).get();
      return `${plural(Object.keys(verbs).length, 'verb')} automated; the others are done by people`;
    }),
    ok('Runbooks', [...context.catalogue.keys()].join(', ') || 'none yet'),
  ];
}

async function database(context: Context): Promise<Finding[]> {
  if (!hasEnvironment(context)) return [];
  const { pool, environment: env } = context.services;
  const place = placeOf(env.databaseUrl);
  try {
    await pool.query('SELECT 1');
  } catch (error) {
    return [
      fail(
        'Postgres',
        `${place} does not answer: ${messageOf(error)}`,
        'Start it (`npm start` brings one), or correct DATABASE_URL.',
      ),
    ];
  }
  const { rows } = await pool.query<{ name: string }>(
    `SELECT name FROM unnest($1::text[]) AS wanted(name) WHERE NOT EXISTS (
       SELECT FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_namespace AS s ON s.oid = t.relnamespace
       WHERE s.nspname || '.' || t.relname = wanted.name)`,
    [TABLES],
  );
  if (rows.length > 0) {
    const missing = rows.map(({ name }) => name).join(', ');
    return [
      fail(
        'Postgres',
        `${place} is not migrated: ${missing} is missing`,
        'Execute `npm run migrate` with DATABASE_ADMIN_URL.',
      ),
    ];
  }
  try {
    await assertAppRole(pool);
    return [ok('Postgres', `${place}, migrated; its user can't change the record`)];
  } catch (error) {
    return [fail('Postgres', messageOf(error), 'Until then no worker starts.')];
  }
}

async function messages(context: Context): Promise<Finding[]> {
  if (!hasEnvironment(context)) return [];
  const { pool, org } = context.services;
  try {
    const { rows } = await pool.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM engine.inbox
       WHERE org = $1 AND kind <> 'start' AND relayed_at IS NULL AND outcome_at IS NULL
         AND received_at < clock_timestamp() - $2 * interval '1 second'`,
      [org, RELAYED_WITHIN_SECONDS],
    );
    const waiting = rows[0]?.waiting ?? 0;
    if (waiting === 0) return [ok('Inbox', 'no message waits to be delivered')];
    return [
      warn(
        'Inbox',
        `${plural(waiting, 'message')} could not be delivered yet`,
        'Is the triggers process running (`npm run triggers`), and can it reach Temporal?',
      ),
    ];
  } catch {
    // The database's own finding says why.
    return [];
  }
}

async function temporal(context: Context, mode: Mode): Promise<Finding[]> {
  if (!hasEnvironment(context)) return [];
  const part = mode === 'live' ? 'Temporal' : 'Temporal for rehearsals';
  const { connectionOptions, namespace } = context.services.environment.temporal[mode];
  const address = connectionOptions.address ?? 'localhost:7233';
  const client = await context.services.client(mode);
  const soften = mode === 'live' ? fail : warn;
  try {
    await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
      client.workflowService.describeNamespace({ namespace }),
    );
  } catch (error) {
    if (/not found/i.test(messageOf(error))) {
      return [
        soften(
          part,
          `${address} has no namespace ${namespace}`,
          'Create it: deploy/temporal-namespaces.sh shows how.',
        ),
      ];
    }
    return [
      soften(
        part,
        `${address} does not answer: ${messageOf(error)}`,
        'Start it (`npm start` brings one), or correct TEMPORAL_ADDRESS.',
      ),
    ];
  }
  const attributes = ['RunbookName', 'RunbookState', 'Origin', 'Mode', 'Org', 'Severity', 'AwaitingApproval'];
  try {
    // A query that names an unknown attribute is refused; this asks for no rights of an operator.
    await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
      client.workflowService.countWorkflowExecutions({
        namespace,
        query: attributes
          .map((name) => `\`${name}\` = ${name === 'AwaitingApproval' ? 'true' : "'probe'"}`)
          .join(' AND '),
      }),
    );
    return [ok(part, `${address}, namespace ${namespace}, with our search attributes`)];
  } catch (error) {
    return [
      soften(
        part,
        `${address}, namespace ${namespace}: ${messageOf(error)}`,
        `Register the search attributes ${attributes.join(', ')}: deploy/temporal-namespaces.sh shows how.`,
      ),
    ];
  }
}

async function timeSkipping(context: Context): Promise<Finding[]> {
  if (!hasEnvironment(context)) return [];
  const part = 'Rehearsals';
  try {
    const [{ canSkipTime }, { Connection }] = await Promise.all([
      import('../../local/namespaces.js'),
      import('@temporalio/client'),
    ]);
    const { connectionOptions, namespace } = context.services.environment.temporal.rehearsal;
    const connection = await Connection.connect({ ...connectionOptions, connectTimeout: ANSWER_WITHIN_MS });
    try {
      if (await canSkipTime(connection, namespace)) return [ok(part, 'the server skips time for them')];
    } finally {
      await connection.close();
    }
    return [
      warn(
        part,
        'this Temporal server does not skip time',
        'Rehearsals need server 1.32 or later with frontend.WorkflowTimeSkippingEnabled for their namespace. Live runs do not.',
      ),
    ];
  } catch (error) {
    return [warn(part, messageOf(error), 'Live runs go on without.')];
  }
}

async function worker(context: Context): Promise<Finding[]> {
  if (!hasEnvironment(context)) return [];
  const taskQueue = await context.services.taskQueue();
  const client = await context.services.client('live');
  const { namespace } = client.options;
  /** Seconds since somebody last asked for work; Temporal remembers for minutes who did. */
  const askedAgo = async (taskQueueType: 1 | 2): Promise<number> => {
    const { pollers } = await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
      client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue }, taskQueueType }),
    );
    const last = Math.max(
      0,
      ...(pollers ?? []).map(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0)),
    );
    return Date.now() / 1_000 - last;
  };
  try {
    const ago = Math.max(await askedAgo(1), await askedAgo(2));
    if (ago <= POLLED_WITHIN_SECONDS) {
      return [ok('Worker', `asked for work on the queue ${taskQueue} ${Math.max(0, Math.round(ago))} s ago`)];
    }
    return [
      fail(
        'Worker',
        `nobody works on the queue ${taskQueue}`,
        'Start one: `npm start` on this machine, else `npm run worker`. Until then runs wait; nothing is lost.',
      ),
    ];
  } catch (error) {
    return [fail('Worker', `it is not known whether one runs: ${messageOf(error)}`, 'Mend Temporal first.')];
  }
}

async function vaultKey(context: Context): Promise<Finding[]> {
  if (!hasEnvironment(context)) return [];
  try {
    await loadVaultKeys(context.services.environment.vault);
    return [ok('Vault', 'its key is there')];
  } catch (error) {
    return [
      warn(
        'Vault',
        messageOf(error),
        'The worker needs it, and so does `runbook secret put`; other commands do not.',
      ),
    ];
  }
}

function vendors(context: Context): Finding[] {
  if (!hasEnvironment(context)) return [];
  const { vendors: known, simulatorsUrl } = context.services.environment;
  const names = Object.keys(CREDENTIALS) as VendorName[];
  const real = names.filter((name) => known[name] !== undefined);
  const others = names.filter((name) => known[name] === undefined);
  const found: Finding[] = real.length === 0 ? [] : [ok('Vendors', `credentials for ${real.join(', ')}`)];
  if (others.length === 0) return found;
  if (simulatorsUrl !== undefined)
    return [...found, ok('Vendors', `simulated on the local stack: ${others.join(', ')}`)];
  return [
    ...found,
    warn(
      'Vendors',
      `no credential for ${others.join(', ')}`,
      `Set ${others.map((name) => CREDENTIALS[name]).join(', ')} where the worker runs; steps of the others are done by hand.`,
    ),
  ];
}

function hasEnvironment(context: Context): boolean {
  try {
    return context.services.environment !== undefined;
  } catch {
    return false;
  }
}

/** Where a database is, without the password. */
function placeOf(databaseUrl: string): string {
  const { host, pathname, username } = new URL(databaseUrl);
  return `${host}${pathname} as ${decodeURIComponent(username)}`;
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** An error may hold an address with a password. */
function messageOf(error: unknown): string {
  const text =
    error instanceof AggregateError && error.message === ''
      ? error.errors.map(String).join('; ')
      : error instanceof Error
        ? error.message
        : String(error);
  return text.replace(/(postgres(?:ql)?:\/\/[^:/@\s]+):[^@\s]*@/g, '$1:...@').replace(/\n\s*/g, ' · ');
}
